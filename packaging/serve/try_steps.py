"""Run the steps of the Dockerfile where no image can be built.

Usage: sudo python3 packaging/serve/try_steps.py MODEL IMAGE

Needs root on Linux, for `unshare` and an overlay on the root folder: what the steps write is gone
afterwards, and this machine stays as it is. What differs from an image: the base is this machine
with its Python (the image has 3.12), `pip` reads this machine's configuration, and the two stages
share one file system.

1. What COPY names, and nothing else, is copied into WORKDIR; RUN lines run with no variables but
   PATH, HOME and those of pip.
2. ENTRYPOINT with CMD runs as USER with the variables of ENV, without capabilities and without new
   privileges, on a root folder that is mounted read-only; /tmp is a tmpfs, the model and a token
   lie where the command looks for them.
3. HEALTHCHECK is asked until it says yes; IMAGE is scored with the token and refused without it;
   nothing can be written outside /tmp; then STOPSIGNAL: the service must end with 0.

Prints what it did; exits with 1 at the first step that fails.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PORT = 8000


@dataclass
class Steps:
    """What the Dockerfile says, in the form in which it is run here."""

    workdir: str = "/"
    copied: list[tuple[list[str], str]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    words: dict[str, list[str]] = field(default_factory=dict)
    stop: str = "SIGTERM"


def read_steps(text: str) -> Steps:
    """Both stages of a Dockerfile as one list of steps."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    steps = Steps()
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        word, _, rest = line.partition(" ")
        if word == "WORKDIR":
            steps.workdir = rest
        elif word == "COPY" and not rest.startswith("--from"):
            *what, to = rest.split()
            steps.copied.append((what, to))
        elif word == "RUN":
            steps.runs.append(rest)
        elif word == "ENV":
            steps.env |= dict(part.split("=", 1) for part in shlex.split(rest))
        elif word == "USER":
            steps.user = rest
        elif word == "STOPSIGNAL":
            steps.stop = rest
        elif word in ("ENTRYPOINT", "CMD"):
            steps.words[word] = json.loads(rest)
        elif word == "HEALTHCHECK":
            steps.words[word] = json.loads(rest.partition("CMD")[2])
    return steps


def build_script(steps: Steps) -> str:
    """Shell that builds; `python` is this machine's."""
    lines = ["set -eux", f"mkdir -p {steps.workdir}", f"cd {steps.workdir}"]
    for what, to in steps.copied:
        lines += [f"cp -r {shlex.quote(str(REPOSITORY / name))} {to}" for name in what]
    return "\n".join([*lines, *steps.runs])


def run_script(steps: Steps) -> str:
    """Shell that becomes the service."""
    words = shlex.join([*steps.words["ENTRYPOINT"], *steps.words["CMD"]])
    env = shlex.join(f"{name}={value}" for name, value in variables(steps).items())
    bounded = "--inh-caps=-all --bounding-set=-all --no-new-privs"
    user = f"--reuid={steps.user} --regid={steps.user} --clear-groups"
    return f"exec setpriv {user} {bounded} env -i {env} {words}"


def variables(steps: Steps) -> dict[str, str]:
    """Of ENV, with the machine's PATH behind its own."""
    path = "/usr/local/bin:/usr/bin:/bin"
    return {name: value.replace("$PATH", path) for name, value in steps.env.items()}


class Machine:
    """This machine's files with a layer above them that is thrown away."""

    def __init__(self, scratch: Path) -> None:
        self.root = scratch / "root"
        for name in ("root", "up", "work"):
            (scratch / name).mkdir()
        layers = f"lowerdir=/,upperdir={scratch / 'up'},workdir={scratch / 'work'}"
        self._mounts = [f"mount -t overlay overlay -o {layers} {self.root}"]
        self._mounts += [f"mount --rbind /{name} {self.root}/{name}" for name in ("proc", "dev")]
        self._closed = [
            f"mount -o remount,ro {self.root}",
            f"mount -t tmpfs -o size=512m tmpfs {self.root}/tmp",
        ]

    def start(self, script: str, *, read_only: bool) -> subprocess.Popen[bytes]:
        """Run a script inside, with only the variables that pip needs."""
        kept = {k: v for k, v in os.environ.items() if k.startswith("PIP_")}
        kept |= {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/root")}
        mounts = self._mounts + (self._closed if read_only else [])
        inside = f"exec chroot {self.root} bash -c {shlex.quote(script)}"
        outside = "\n".join(["set -e", *mounts, inside])
        return subprocess.Popen(["unshare", "--mount", "bash", "-c", outside], env=kept)

    def run(self, script: str, *, read_only: bool) -> int:
        """The exit code of a script."""
        return self.start(script, read_only=read_only).wait()


def asked(image: Path, token: str) -> int:
    """The status of a request for a score."""
    command = [
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "-H",
        f"Authorization: Bearer {token}",
    ]
    command += ["--data-binary", f"@{image}", "-H", "Content-Type: application/octet-stream"]
    command += [f"http://127.0.0.1:{PORT}/v1/score"]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Build, serve, ask, stop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("image", type=Path)
    options = parser.parse_args()
    steps = read_steps((Path(__file__).parent / "Dockerfile").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        machine = Machine(Path(folder))
        began = time.monotonic()
        must(machine.run(build_script(steps), read_only=False) == 0, "the build")
        print(f"built in {time.monotonic() - began:.0f} s")
        token = "a" * 40
        # The image's Python is anybody's; this machine's may lie in somebody's home.
        folders = shlex.join(str(folder) for folder in Path(sys.base_prefix).resolve().parents)
        given = [
            f"chmod a+x {folders}",
            "mkdir -p /models /run/secrets",
            f"cp -r {shlex.quote(str(options.model.resolve()))} /models/model",
            "chmod -R a+rX /models /run/secrets",
            f"printf {token} > /run/secrets/token",
            "chmod 444 /run/secrets/token",
        ]
        must(machine.run(" && ".join(given), read_only=False) == 0, "the model and the token")
        serve(machine, steps, options.image.resolve(), token)


def serve(machine: Machine, steps: Steps, image: Path, token: str) -> None:
    """What the image does once it runs."""
    began = time.monotonic()
    service = machine.start(run_script(steps), read_only=True)
    try:
        environment = os.environ | {"PATH": f"{machine.root}/opt/twofold/bin:/usr/bin:/bin"}
        check = ["python3", *steps.words["HEALTHCHECK"][1:]]
        while subprocess.run(check, capture_output=True, env=environment, check=False).returncode:
            must(service.poll() is None, "the service began")
            must(time.monotonic() - began < 60, "healthy within the start period")
            time.sleep(0.5)
        print(f"healthy after {time.monotonic() - began:.1f} s")
        must((status := asked(image, token)) == 200, f"scored: {status}")
        must((status := asked(image, "wrong")) == 401, f"refused without the token: {status}")
        text = Path(f"/proc/{service.pid}/status").read_text(encoding="utf-8")
        found = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        must(found["Uid"].split() == [steps.user] * 4, f"runs as {steps.user}")
        must(int(found["CapEff"], 16) == int(found["CapBnd"], 16) == 0, "no capabilities")
        must(found["NoNewPrivs"] == "1", "no new privileges")
        rooted = Path(f"/proc/{service.pid}/mounts").read_text(encoding="utf-8").splitlines()
        root = next(line for line in rooted if line.split()[1] == "/")
        must(root.split()[3].split(",")[0] == "ro", "the root folder is read-only")
        service.send_signal(signal.Signals[steps.stop])
        must(service.wait(timeout=30) == 0, "ended with 0 at the signal")
    finally:
        service.kill()
        service.wait()


def must(good: bool, what: str) -> None:
    """Say that a step was good, or stop."""
    print(f"{'ok' if good else 'FAILED'}: {what}", flush=True)
    if not good:
        sys.exit(1)


if __name__ == "__main__":
    main()
