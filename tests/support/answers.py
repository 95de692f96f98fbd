"""What an HTTP server sent."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Answer"]


@dataclass(frozen=True)
class Answer:
    """Status, headers by name in lower case, and body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, connection: http.client.HTTPConnection) -> Answer:
        """The one to the request that was just sent."""
        found = connection.getresponse()
        sent = {name.lower(): value for name, value in found.getheaders()}
        return cls(found.status, sent, found.read())

    @property
    def json(self) -> Any:
        return json.loads(self.body)
