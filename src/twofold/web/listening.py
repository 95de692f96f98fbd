"""A socket that listens."""

from __future__ import annotations

import ipaddress
import os
import socket

from twofold.errors import UsageError

__all__ = ["is_loopback", "listen"]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name
        return False


def listen(
    host: str, port: int, backlog: int = 64, *, hint: str = "leave it out to take a free one"
) -> socket.socket:
    """A socket that listens from now on.

    Args:
        host: address or name, of IPv4 or IPv6.
        port: 0 takes a free one.
        backlog: connections that may wait to be accepted.
        hint: what to do where the port cannot be had.

    Raises:
        UsageError: the address is none of this machine, or the port is taken or not allowed.
    """
    try:
        family, _, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host}: {error}") from error
    # With its protocol named: asyncio turns Nagle's algorithm off for these alone, which would hold
    # the body of an answer back for the 40 ms that a client takes to confirm the head.
    listening = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        if os.name == "posix":
            # A port whose last connections are still ending may be taken again at once. (Elsewhere
            # it would let another program take the port away.)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(backlog)
    except OSError as error:
        listening.close()
        raise UsageError(f"--port {port}: {error.strerror}; {hint}") from error
    return listening
