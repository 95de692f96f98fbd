"""Sockets that listen."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.support.loops import run

from twofold.errors import UsageError
from twofold.web.listening import is_loopback, listen


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("127.0.0.1", True), ("127.4.5.6", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.168.0.1", False), ("", False)),
        *(("localhost.example", False), ("::ffff:8.8.8.8", False)),
    ],
)
def test_what_only_this_machine_reaches(host: str, own: bool) -> None:
    assert is_loopback(host) == own


def test_a_free_port_is_taken_and_a_second_time_refused() -> None:
    with listen("127.0.0.1", 0) as first:
        host, port = first.getsockname()
        assert host == "127.0.0.1"
        with socket.create_connection((host, port), timeout=5):
            pass
        with pytest.raises(UsageError, match=f"--port {port}: .*; name another one"):
            listen("127.0.0.1", port, hint="name another one")
    listen("127.0.0.1", port).close()  # at once, whatever connections are still ending


def test_answers_are_not_held_back() -> None:
    async def accepted() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken = writer.get_extra_info("socket")
            found.set_result(taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listen("127.0.0.1", 0) as listening:
            async with await asyncio.start_server(look, sock=listening):
                _, writer = await asyncio.open_connection(*listening.getsockname())
                writer.close()
                return await found

    assert run(accepted()) == 1


def test_an_address_that_is_none() -> None:
    with pytest.raises(UsageError, match=r"--host nowhere\.invalid"):
        listen("nowhere.invalid", 0)
    with pytest.raises(UsageError, match="--host"):
        listen("x" * 70, 0)
