"""A connection to Ray: the caller's, a cluster's, or a cluster of this machine alone."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from twofold.errors import ConfigError, MissingExtraError, TwofoldError, UsageError

__all__ = ["ray_session", "require_ray", "workers_that_fit", "workers_wanted"]

# What a local cluster may hold of results under way: those of a shard are some megabytes.
_STORE = 512 * 2**20
# Seconds in which a machine of the same network answers.
_PATIENCE = 5.0
_QUIET = {
    # Ray reports what it is used for to its makers unless told not to.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Lines on stderr about what Ray Data does as it should.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}


def require_ray() -> None:
    """Raise MissingExtraError where Ray Data is not installed."""
    for library in ("ray", "pyarrow"):
        if find_spec(library) is None:
            raise MissingExtraError(f"--engine ray needs {library}: pip install 'twofold[ray]'")


@contextmanager
def ray_session(address: str | None = None, *, cpus: int | None = None) -> Iterator[None]:
    """Be connected to Ray within the block.

    A process that is connected already stays so. What this connects, it disconnects, and a local
    cluster that it has started ends with the block. Ray's reports of usage are off unless
    ``RAY_USAGE_STATS_ENABLED`` is set.

    Args:
        address: ``HOST:PORT`` of a cluster, or ``auto`` for one that this machine belongs to; None
            takes ``RAY_ADDRESS``, and where that is not set starts a cluster of this machine.
        cpus: of a local cluster; all by default.

    Raises:
        MissingExtraError: Ray is not installed.
        UsageError: ``address`` is no address.
        TwofoldError: nobody answers there, or Ray cannot be started.
    """
    require_ray()
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray  # noqa: PLC0415 - an optional dependency

    if ray.is_initialized():
        yield
        return
    where = address or os.environ.get("RAY_ADDRESS") or "local"
    local: dict[str, Any] = {
        "num_cpus": cpus,
        "object_store_memory": _STORE,
        "include_dashboard": False,
    }
    _check_address(where)
    try:
        ray.init(
            address=where,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(local if where == "local" else {}),
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())
        raise TwofoldError(f"no connection to Ray at {where}: {reason:.200}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Ask the machine before Ray does, whose own attempt ends the process.

    Raises:
        UsageError: not of the form HOST:PORT.
        TwofoldError: nobody answers.
    """
    if address in ("local", "auto"):
        return
    if address.startswith("ray://"):
        raise UsageError(
            f"--address {address}: run this on a machine of the cluster, with HOST:PORT or auto"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UsageError(f"--address {address}: write HOST:PORT, or auto")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE):
            return
    except OSError as error:
        raise TwofoldError(
            f"--address {address}: no Ray cluster answers there ({error.strerror or error})"
        ) from None


def workers_that_fit(cpus: int) -> int:
    """How many workers of so many CPUs the cluster has room for now.

    Raises:
        UsageError: none.
    """
    import ray  # noqa: PLC0415 - an optional dependency

    each = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    found = sum(n // cpus for n in each)
    if not found:
        raise UsageError(
            f"--worker-cpus {cpus}: the largest of {len(each)} machines has {max(each, default=0)}"
        )
    return found


def workers_wanted(fit: int, tasks: int, most: int | None) -> int:
    """How many of the workers that fit are started.

    Args:
        fit: see :func:`workers_that_fit`.
        tasks: that there are.
        most: as many at most; None: one for each task.

    Raises:
        ConfigError: ``most`` is not positive.
    """
    if most is not None and most < 1:
        raise ConfigError("workers is a whole number from 1")
    return min(fit, tasks if most is None else most)
