"""What is said before Ray is asked for anything."""

from __future__ import annotations

import socket

import pytest

from twofold.cluster import session
from twofold.cluster.session import ray_session, require_ray
from twofold.errors import MissingExtraError, TwofoldError, UsageError


@pytest.mark.parametrize("missing", ["ray", "pyarrow"])
def test_the_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(MissingExtraError, match=rf"{missing}: pip install 'twofold\[ray\]'"):
        require_ray()


@pytest.mark.slow
@pytest.mark.parametrize("address", ["here", "host:", "host:port", "host:0", "host:99999", ":1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="HOST:PORT"), ray_session(address):
        pass


@pytest.mark.slow
def test_an_address_of_a_client_is_refused() -> None:
    with pytest.raises(UsageError, match="on a machine of the cluster"), ray_session("ray://a:1"):
        pass


@pytest.mark.slow
def test_an_address_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(TwofoldError, match="no Ray cluster answers"), ray_session(address):
        pass
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(TwofoldError, match="no Ray cluster answers"), ray_session():
        pass
