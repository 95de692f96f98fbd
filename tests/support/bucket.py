"""Buckets of S3 and of Google's cloud storage on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

__all__ = ["STORES", "Bucket", "bucket"]


class Bucket(Protocol):
    """What a store holds, seen without the libraries that twofold reads it with."""

    def put(self, key: str, content: bytes) -> None: ...

    def sizes(self) -> dict[str, int]: ...


class _S3:
    def __init__(self, client: Any, name: str) -> None:
        self._client, self._name = client, name

    def put(self, key: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._name, Key=key, Body=content)

    def sizes(self) -> dict[str, int]:
        found = self._client.list_objects_v2(Bucket=self._name)["Contents"]
        return {one["Key"]: one["Size"] for one in found}


class _Google:
    def __init__(self, server: str, name: str) -> None:
        self._server, self._objects = server, f"storage/v1/b/{name}/o"

    def put(self, key: str, content: bytes) -> None:
        query = urlencode({"uploadType": "media", "name": key})
        kind = {"Content-Type": "application/octet-stream"}
        address = f"{self._server}/upload/{self._objects}?{query}"
        urlopen(Request(address, content, kind)).close()

    def sizes(self) -> dict[str, int]:
        with urlopen(f"{self._server}/{self._objects}") as answer:
            return {one["name"]: int(one["size"]) for one in json.load(answer)["items"]}


@contextmanager
def _s3(name: str, patch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    boto3, server_of = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    server = server_of.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        # All servers of a process show the same buckets.
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
        for variable, value in {
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        }.items():
            patch.setenv(variable, value)
        # One that another test has made is kept by the library, and knows another server.
        pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
        client = boto3.client("s3")
        client.create_bucket(Bucket=name)
        yield _S3(client, name)
    finally:
        server.stop()


@contextmanager
def _google(name: str, patch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")  # it asks Google what a bucket is
    emulator = pytest.importorskip("gcp_storage_emulator.server")
    gcsfs = pytest.importorskip("gcsfs")
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket=name)
    server.start()
    try:
        host, port = server._api._httpd.server_address
        patch.setenv("STORAGE_EMULATOR_HOST", f"http://{host}:{port}")
        gcsfs.GCSFileSystem.clear_instance_cache()
        yield _Google(f"http://{host}:{port}", name)
    finally:
        server.stop()


_MAKERS = {"s3": _s3, "gs": _google}
STORES = tuple(_MAKERS)


def bucket(scheme: str, name: str, patch: pytest.MonkeyPatch) -> AbstractContextManager[Bucket]:
    """A store that has this bucket; addresses of the scheme lead there."""
    return _MAKERS[scheme](name, patch)
