"""Runs an image by runc as a cluster would run it: its own user, a root that cannot be written to, no privileges."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

HOME = "/var/lib/weighbridge"
SETTINGS = "/etc/weighbridge"
PAUSE_S = 0.005
PATIENCE_S = 60.0
# The network is this machine's; a container of its own has the rest.
LEFT_OUT = {"/dev/pts", "/dev/mqueue", "/sys", "/sys/fs/cgroup"}
NAMESPACES = ("pid", "mount", "ipc", "uts")
ROLLUP = re.compile(r"^(Rss|Pss): +(\d+) kB$", re.MULTILINE)
RUNC = ("runc", "--root", "/run/weighbridge-runc")


class Running:
    """A container that runs.

    Args:
        name: As runc knows it.
        process: runc, which stays as long as the container does.
        port: Of the data plane.

    Attributes:
        ready_ms: What it took from the command to the first 200 of ``/readyz``.
        ready_cpu_ms: The processor time that its processes had taken then.
    """

    def __init__(self, name: str, process: subprocess.Popen[str], port: int) -> None:
        self.name = name
        self.process = process
        self.port = port
        self.ready_ms = self.ready_cpu_ms = 0.0

    def ask(self, path: str, document: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Ask the data plane."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            if document is None:
                connection.request("GET", path)
            else:
                connection.request("POST", path, json.dumps(document), {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def execute(self, *words: str) -> tuple[int, str]:
        """Run another program in the container; returns its exit code and what it said."""
        done = subprocess.run([*RUNC, "exec", self.name, *words], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def processes(self) -> list[int]:
        """Return the processes of the container as this machine numbers them, the first one first."""
        told = subprocess.run([*RUNC, "state", self.name], capture_output=True, text=True, check=True).stdout
        found = [json.loads(told)["pid"]]
        for pid in found:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def memory_mb(self) -> dict[str, float]:
        """Return the memory of all processes in MB: added up, and with shared pages counted once."""
        sums = {"Rss": 0, "Pss": 0}
        for pid in self.processes():
            for name, value in ROLLUP.findall(Path(f"/proc/{pid}/smaps_rollup").read_text()):
                sums[name] += int(value)
        return {"rss": sums["Rss"] * 1024 / 1e6, "pss": sums["Pss"] * 1024 / 1e6}

    def spent_ms(self) -> float:
        """Return the processor time that its processes have taken."""
        ticks = 0
        for pid in self.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks * 1000 / os.sysconf("SC_CLK_TCK")

    def terminate(self) -> None:
        """Ask the first process to end, as a cluster does."""
        subprocess.run([*RUNC, "kill", self.name, "TERM"], check=True)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds.

    Raises:
        TimeoutError: It does not.
    """
    end_s = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end_s:
            raise TimeoutError("it took too long")
        time.sleep(PAUSE_S)


def bundle(folder: Path, root: Path, said: dict[str, Any], words: list[str], settings: Path, port: int) -> None:
    """Write down for runc what is to be run."""
    subprocess.run(["runc", "spec", "--bundle", folder], check=True)
    spec: dict[str, Any] = json.loads((folder / "config.json").read_text())
    user, _, group = said["User"].partition(":")
    spec["root"] = {"path": str(root), "readonly": True}
    spec["process"] |= {
        "terminal": False,
        "user": {"uid": int(user), "gid": int(group)},
        "args": [*said["Entrypoint"], *words],
        "cwd": said["WorkingDir"],
        "env": [*said["Env"], f"WEIGHBRIDGE_LISTEN=127.0.0.1:{port}"],
        "capabilities": {},
        "noNewPrivileges": True,
    }
    spec["linux"] = {"namespaces": [{"type": each} for each in NAMESPACES], "maskedPaths": spec["linux"]["maskedPaths"]}
    spec["mounts"] = [each for each in spec["mounts"] if each["destination"] not in LEFT_OUT]
    volume = ["nosuid", "nodev", "noexec", "mode=0700", f"uid={user}", f"gid={group}"]
    spec["mounts"] += [
        {"destination": HOME, "type": "tmpfs", "source": "tmpfs", "options": volume},
        {"destination": SETTINGS, "type": "bind", "source": str(settings), "options": ["bind", "ro"]},
    ]
    (folder / "config.json").write_text(json.dumps(spec))


@contextlib.contextmanager
def running(
    folder: Path, root: Path, said: dict[str, Any], words: list[str], port: int
) -> Generator[Running, None, None]:
    """Run an image until the block ends.

    Args:
        folder: Of its own; ``settings`` in it is what is mounted as the configuration.
        root: The image's files.
        said: The image's configuration.
        words: The command.
        port: Where it is to listen.
    """
    settings = folder / "settings"
    settings.mkdir(parents=True, exist_ok=True)
    bundle(folder, root, said, words, settings, port)
    name = f"weighbridge-{uuid.uuid4().hex[:8]}"
    with (folder / "log").open("w") as log:
        began_s = time.monotonic()
        process = subprocess.Popen(
            [*RUNC, "run", "--bundle", folder, name], stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True
        )
        container = Running(name, process, port)
        try:
            until(lambda: _ready(container, folder / "log"))
            container.ready_ms = (time.monotonic() - began_s) * 1000
            container.ready_cpu_ms = container.spent_ms()
            yield container
        finally:
            if process.poll() is None:
                subprocess.run([*RUNC, "kill", name, "KILL"], check=False)
            process.wait(PATIENCE_S)


def _ready(container: Running, log: Path) -> bool:
    if container.process.poll() is not None:
        raise SystemExit(f"the container ended with {container.process.returncode}: {log.read_text()[-2000:]}")
    try:
        return container.ask("/readyz")[0] == 200
    except OSError:
        return False


def stopped(container: Running) -> float:
    """Ask a container to end and wait for it; returns how many milliseconds that took."""
    began_s = time.monotonic()
    container.terminate()
    container.process.wait(PATIENCE_S)
    return (time.monotonic() - began_s) * 1000
