"""Images at addresses: some are fetched ahead of the one that is asked for."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from typing import Final

from twofold.errors import ImageError, RemoteError
from twofold.images.loaded import FileItem, Header, Item, LoadedImage, file_header
from twofold.images.reading import MAX_FILE_BYTES
from twofold.remote import fetch, is_remote, printable
from twofold.threads import PerProcess

__all__ = ["Ahead", "RemoteItem", "file_items"]

# A store answers in some 50 ms and takes many requests at a time; the network that encodes takes
# some 10 ms an image, so that as many under way keep it busy.
_AHEAD: Final = 16
# Of contents that are kept: an image is read for its header, its digest and its pixels, a portion
# of images later. Beyond, it is fetched once more.
_MOST_BYTES: Final = 256 * 2**20


class Ahead:
    """Fetches files and those that follow them, each once as long as it is kept.

    Args:
        read: gives the content of an address; called by several threads at once.
        ahead: files that are fetched beside the one that is asked for.
        most_bytes: that are kept; the ones not asked for longest go first.
    """

    def __init__(
        self,
        read: Callable[[str], bytes],
        *,
        ahead: int = _AHEAD,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        self._read, self._ahead, self._most = read, ahead, most_bytes
        self._pool = ThreadPoolExecutor(ahead + 1, thread_name_prefix="fetch")
        self._lock = threading.Lock()
        self._found: OrderedDict[str, Future[bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, listing: tuple[str, ...], place: int) -> bytes:
        """The content of one of some addresses; those behind it are on their way then.

        Raises:
            RemoteError: it cannot be had; it is tried anew the next time.
        """
        with self._lock:
            for url in reversed(listing[place : place + self._ahead + 1]):
                if url not in self._found:
                    self._found[url] = self._pool.submit(self._fetched, url)
                self._found.move_to_end(url)
            wanted = self._found[listing[place]]
        return wanted.result()

    def _fetched(self, url: str) -> bytes:
        try:
            content = self._read(url)
        except BaseException:
            with self._lock:
                self._found.pop(url, None)
            raise
        with self._lock:
            self._bytes += len(content)
            self._drop(url)
        return content

    def _drop(self, latest: str) -> None:
        """Keep to the bound; those under way stay."""
        for url, future in list(self._found.items()):
            if self._bytes <= self._most:
                return
            if url != latest and future.done():
                self._bytes -= len(future.result())
                del self._found[url]


_AHEAD_HERE: Final = PerProcess(lambda: Ahead(lambda url: fetch(url, MAX_FILE_BYTES)))


@dataclass(frozen=True, eq=False)
class RemoteItem:
    """An image file at an address.

    Attributes:
        listing: addresses of the files that it came with, in order.
        place: its own among them.
    """

    listing: tuple[str, ...] = field(repr=False)
    place: int

    @property
    def name(self) -> str:
        """The address, without what may be secret in it."""
        return printable(self.listing[self.place])

    def load(self) -> LoadedImage:
        """Fetch the file, unless it is at hand."""
        return LoadedImage(self._content())

    def header(self) -> Header:
        """Fetch the file, whose pixels will be wanted next, and read its header."""
        return file_header(BytesIO(self._content()))

    def _content(self) -> bytes:
        try:
            return _AHEAD_HERE.get().get(self.listing, self.place)
        except RemoteError as error:
            raise ImageError(str(error)) from error


def file_items(paths: Iterable[str]) -> tuple[Item, ...]:
    """Items of paths and addresses, in their order; paths never go through a library for others."""
    listed = tuple(paths)
    places = [place for place, path in enumerate(listed) if "://" in path and is_remote(path)]
    if not places:
        return tuple(map(FileItem, listed))
    items: list[Item] = [FileItem(path) for path in listed]
    urls = tuple(listed[place] for place in places)
    for number, place in enumerate(places):
        items[place] = RemoteItem(urls, number)
    return tuple(items)
