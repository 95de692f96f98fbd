"""The Dockerfile, the systemd unit and the example for nginx say what the command takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from twofold.cli.app import app
from twofold.serve.gate import KNOWN_PATHS
from twofold.serve.limits import MEGABYTE, Limits

FOLDER = Path(__file__).parents[2] / "packaging" / "serve"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
UNIT = (FOLDER / "twofold-serve.service").read_text(encoding="utf-8")
NGINX = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
# The environment need not be on the path.
HADOLINT = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which(
    "hadolint"
)


def parsed(arguments: list[str]) -> dict[str, Any]:
    """The options of `twofold serve`, as the command would be given them."""
    group = typer.main.get_command(app)
    with group.make_context("twofold", ["serve", *arguments], resilient_parsing=False) as context:
        command = group.commands["serve"]  # type: ignore[attr-defined]
        with command.make_context("serve", list(arguments), parent=context) as own:
            return dict(own.params)


def test_the_image_serves_as_no_root() -> None:
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    options = parsed(json.loads(command))
    assert (options["model"], options["host"], options["port"]) == (
        "/models/model",
        "0.0.0.0",
        8000,
    )
    assert options["token_file"] == "/run/secrets/token"
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    (path,) = re.findall(r"http://127\.0\.0\.1:8000(/\w+)", last)
    assert "HEALTHCHECK" in last
    assert path in KNOWN_PATHS


def test_the_image_has_no_more_than_the_package() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    root = FOLDER.parents[1]
    for name in " ".join(copied).split():
        assert (root / name).exists(), name
    assert "." not in " ".join(copied).split()


@pytest.mark.skipif(HADOLINT is None, reason="needs hadolint")
def test_the_linter_has_nothing_to_say() -> None:
    found = subprocess.run(
        [str(HADOLINT), str(FOLDER / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_the_unit_starts_reloads_and_waits() -> None:
    (start,) = re.findall(r"^ExecStart=\S+/twofold serve (.*)$", UNIT, re.MULTILINE)
    options = parsed(start.split())
    assert options["token_file"] == "${CREDENTIALS_DIRECTORY}/token"
    assert options["host"] == "127.0.0.1"
    assert "ExecReload=/bin/kill -HUP $MAINPID" in UNIT
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert int(seconds) > Limits().timeout
    for line in ("DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict"):
        assert line in UNIT.splitlines()


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("systemd-analyze") is None, reason="needs systemd"
)
def test_systemd_knows_every_line_of_the_unit() -> None:
    found = subprocess.run(
        ["systemd-analyze", "verify", str(FOLDER / "twofold-serve.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in found.stderr.splitlines() if "twofold-serve.service" in line]
    assert [line for line in lines if "is not executable" not in line] == []


def test_the_proxy_allows_what_the_service_does() -> None:
    (megabytes,) = re.findall(r"client_max_body_size (\d+)m;", NGINX)
    # nginx counts in units of 1,048,576 bytes; the service says so itself where the two differ.
    assert int(megabytes) * MEGABYTE == Limits().upload_bytes
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    assert int(seconds) > Limits().timeout
