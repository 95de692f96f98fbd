"""Images over HTTP and from a made-up S3."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support.bucket import STORES, bucket

from twofold.errors import ImageError, ImageSourceError, RemoteError
from twofold.images import ImageSet, find_images
from twofold.images.loaded import FileItem
from twofold.images.remote import Ahead, RemoteItem, file_items


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images, two of them in a folder below, a hidden one and tables."""
    place = tmp_path / "lot"
    for seed, name in enumerate(["a.png", "b.png", "x/c.png", "x/d e.png", ".hidden.png"]):
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), dtype=np.uint8)
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / name)
    (place / "bad.png").write_bytes(b"no image")
    (place / "list.csv").write_text("path\nb.png\nx/c.png\n")
    (place / "out.csv").write_text("path\n/etc/passwd\n")
    return place


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def same(far: ImageSet, near: ImageSet) -> bool:
    return [far.load(row).digest for row in range(len(far))] == [
        near.load(row).digest for row in range(len(near))
    ]


@pytest.mark.slow
def test_images_over_http(web: str, folder: Path) -> None:
    images = find_images([f"{web}/a.png?token=secret", folder / "b.png", f"{web}/x/c.png"])
    assert images.names == (f"{web}/a.png", str(folder / "b.png"), f"{web}/x/c.png")
    near = find_images([folder / "a.png", folder / "b.png", folder / "x" / "c.png"])
    assert same(images, near)
    header = images.header(0)
    assert header is not None
    assert (header.width, header.height) == (9, 8)
    assert find_images(f"{web}/list.csv").names == (f"{web}/b.png", f"{web}/x/c.png")
    with pytest.raises(ImageError, match="no such file"):
        find_images(f"{web}/gone.png").load(0)
    with pytest.raises(ImageSourceError, match="cannot name files of this machine"):
        find_images(f"{web}/out.csv")
    with pytest.raises(ImageSourceError, match="no such file"):
        find_images(f"{web}/gone.csv")


@pytest.mark.slow
@pytest.mark.parametrize("store", STORES)
def test_images_of_a_bucket(folder: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    with bucket(store, "plant", monkeypatch) as plant:
        for file in sorted(folder.rglob("*.*")):
            plant.put(f"lot/{file.relative_to(folder).as_posix()}", file.read_bytes())
        images = find_images(f"{store}://plant/lot")
        names = ("a.png", "b.png", "bad.png", "x/c.png", "x/d e.png")
        assert images.names == tuple(f"{store}://plant/lot/{name}" for name in names)
        assert same(images, find_images(folder))
        globbed = find_images(f"{store}://plant/lot/*.png").names
        assert globbed == images.names[:3]
        with pytest.raises(ImageError):
            images.load(2).decode()
        assert len(find_images(f"{store}://plant/lot/list.csv")) == 2
        with pytest.raises(ImageSourceError, match=f"no images at {store}://plant/nothing"):
            find_images(f"{store}://plant/nothing")
        with pytest.raises(ImageSourceError, match=f"{store}://nowhere/lot"):
            find_images(f"{store}://nowhere/lot")


def test_paths_go_their_own_way(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("twofold.remote._system", lambda url: pytest.fail("asked for a path"))
    assert len(find_images(folder)) == 5
    address = (folder / "a.png").as_uri()
    assert find_images(address).names == (str(folder / "a.png"),)
    near, far, again = file_items(["a.png", "s3://b/a.png", "s3://b/b.png"])
    assert near == FileItem("a.png")
    assert isinstance(far, RemoteItem)
    assert isinstance(again, RemoteItem)
    assert (far.name, again.place) == ("s3://b/a.png", 1)
    assert far.listing is again.listing
    with pytest.raises(RemoteError, match="choose from"):
        find_images("ftp://h/a.png")


def test_files_are_fetched_ahead_and_once() -> None:
    asked: list[str] = []
    go = threading.Semaphore(0)

    def read(url: str) -> bytes:
        asked.append(url)
        go.acquire()
        return url.encode()

    ahead = Ahead(read, ahead=3)
    listing = tuple(f"s3://b/{row}" for row in range(6))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ahead.get, listing, 0)
        while len(asked) < 4:
            pass
        go.release(99)
        assert first.result() == b"s3://b/0"
    assert sorted(asked) == sorted(listing[:4])
    assert [ahead.get(listing, row) for row in range(6)] == [url.encode() for url in listing]
    assert sorted(asked) == sorted(listing)


def test_few_bytes_are_kept_and_failures_are_not() -> None:
    asked: list[str] = []

    def read(url: str) -> bytes:
        asked.append(url)
        if asked.count(url) == 1 and url == "u3":
            raise RemoteError("busy")
        return bytes(10)

    ahead = Ahead(read, ahead=0, most_bytes=25)
    listing = tuple(f"u{row}" for row in range(5))
    for row in (0, 1, 0, 2, 0):
        ahead.get(listing, row)
    assert asked == ["u0", "u1", "u2"]  # u1 was asked for longest ago, and dropped
    ahead.get(listing, 1)
    assert asked[3:] == ["u1"]
    with pytest.raises(RemoteError, match="busy"):
        ahead.get(listing, 3)
    assert ahead.get(listing, 3) == bytes(10)
