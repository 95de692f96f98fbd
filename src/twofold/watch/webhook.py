"""Telling another program of results: JSON over HTTP, at least once, also after a kill."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from twofold import __version__
from twofold.errors import TwofoldError, UsageError, on_one_line
from twofold.watch.journal import Journal

__all__ = ["TOKEN_VARIABLE", "Sender", "Webhook", "delay", "find_webhook", "post"]

TOKEN_VARIABLE: Final = "TWOFOLD_WEBHOOK_TOKEN"  # noqa: S105 - its name
# Seconds for each step of a request: a receiver in the same house answers in far less.
_TIMEOUT = 10.0
# Seconds between attempts: at first one, at most five minutes, so that a receiver that comes back
# is found soon and one that is away is not pestered.
_FIRST, _LONGEST = 1.0, 300.0
# The message itself is at fault and would be at every attempt; it must not stop the others.
_AT_FAULT = frozenset({400, 413, 415, 422})


@dataclass(frozen=True)
class Webhook:
    """Where messages go.

    Attributes:
        url: http or https.
        token: sent as ``Authorization: Bearer``; None sends none.
    """

    url: str
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Answer:
    """What became of one attempt.

    Attributes:
        arrived: the receiver has it.
        at_fault: the receiver will never take this message.
        reason: in a few words, where it has not arrived.
    """

    arrived: bool
    at_fault: bool = False
    reason: str = ""


def find_webhook(
    url: str, token_file: str | None, environ: Mapping[str, str] = os.environ
) -> Webhook:
    """A webhook from what the command line and the environment say.

    Args:
        url: http or https, without a name and password in it.
        token_file: whose first line is the token; None takes the environment's.
        environ: of the process.

    Raises:
        UsageError: the address or the token cannot be used.
        OSError: the file cannot be read.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--webhook: not an address: {error}") from None
    if parts.scheme not in {"http", "https"} or not host or port == 0:
        raise UsageError("--webhook: give an address that begins with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "--webhook: a password in an address shows in lists of processes; use "
            f"--webhook-token-file or {TOKEN_VARIABLE}"
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("--webhook: write the address in ASCII, other characters as %XX")
    if token_file is not None:
        with Path(token_file).open(encoding="utf-8", errors="replace") as stream:
            token = stream.readline(10_000).strip()
        where = f"--webhook-token-file {token_file}"
    else:
        token, where = environ.get(TOKEN_VARIABLE, "").strip(), TOKEN_VARIABLE
        if not token:
            return Webhook(url)
    if not token or not token.isascii() or not token.isprintable():
        raise UsageError(f"{where}: a token is one line of printable ASCII")
    return Webhook(url, token)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An answer that leads elsewhere is no arrival: the token and the results stay here."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        """Follow none."""
        del args, more


_OPENER = urllib.request.build_opener(_NoRedirects)


def post(webhook: Webhook, key: str, body: str, *, timeout: float = _TIMEOUT) -> Answer:
    """Send one message once.

    Args:
        webhook: where to.
        key: the same at each attempt, so that the receiver can tell a second one.
        body: JSON.
        timeout: seconds for each step.
    """
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": key,
        "User-Agent": f"twofold/{__version__}",
    }
    if webhook.token is not None:
        headers["Authorization"] = f"Bearer {webhook.token}"
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        webhook.url, data=body.encode(), headers=headers, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=timeout) as response:
            return Answer(200 <= response.status < 300, reason=f"HTTP status {response.status}")
    except urllib.error.HTTPError as error:
        with error:
            return Answer(False, error.code in _AT_FAULT, f"HTTP status {error.code}")
    except urllib.error.URLError as error:
        return Answer(False, reason=on_one_line(str(error.reason)))
    except (OSError, HTTPException, ValueError) as error:
        return Answer(False, reason=on_one_line(str(error) or type(error).__name__))


def delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, up to five minutes."""
    return min(_FIRST * 2.0 ** min(failures - 1, 30), _LONGEST)


class Sender:
    """Sends what waits in a journal, in order, in a thread of its own.

    Args:
        webhook: where to.
        journal: whose messages they are.
        name: of the journal, the first part of each key.
        say: told of failures, of each kind once in a row.
    """

    def __init__(
        self, webhook: Webhook, journal: Journal, name: str, say: Callable[[str], None]
    ) -> None:
        self._webhook, self._journal, self._name, self._say = webhook, journal, name, say
        self._more, self._ending = threading.Event(), threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)

    def start(self) -> None:
        """Begin; messages that were set aside are tried once more."""
        self._journal.take_up()
        self._thread.start()

    def wake(self) -> None:
        """There are more messages."""
        self._more.set()

    def stop(self, seconds: float) -> None:
        """End once everything is sent, or an attempt fails, or so many seconds have passed."""
        self._ending.set()
        self._more.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        failures = 0
        while True:
            self._more.clear()
            ending = self._ending.is_set()
            try:
                message = self._journal.next_message()
                arrived = message is not None and self._send(*message)
            except TwofoldError as error:
                if not ending:
                    self._say(f"webhook: {error}")
                return
            failures = 0 if arrived or message is None else failures + 1
            if ending and not arrived:
                return
            if message is None:
                self._more.wait()
            elif not arrived:
                self._ending.wait(delay(failures))

    def _send(self, number: int, body: str) -> bool:
        """Send one; whether the next one may come."""
        answer = post(self._webhook, f"{self._name}-{number}", body)
        if answer.arrived:
            self._journal.end_message(number)
            if self._told:
                self._say("webhook: messages arrive again")
            self._told = ""
            return True
        if answer.at_fault:
            self._journal.set_aside(number)
            self._say(f"webhook: message {number} is refused ({answer.reason}) and set aside")
            return True
        if answer.reason != self._told:
            self._say(f"webhook: not delivered ({answer.reason}); it is tried again")
            self._told = answer.reason
        return False
