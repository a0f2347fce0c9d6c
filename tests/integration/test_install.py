"""``pip install .`` without extras: the lean sidecar, in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path

import orjson
import pytest
from packaging.requirements import Requirement

from loadtests.ports import free_port
from tests.support.figures import BUSY, SOAK, measured, slowness
from tests.support.gateway_run import CHAT, ask, chat, environment, resident_kb, until
from tests.support.provider import END, EVENTS, Asked, Step, chunk, whole
from tests.support.provider_thread import provider_in_thread

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
STARTS = 5
READY_MS = 1000
RESIDENT_KB = 80_000
CHOICE = b'"index":0,"%b":{"content":"hello"},"finish_reason":"stop"'
USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'
WHOLE = b'{"id":"c","object":"chat.completion","model":"m","choices":[{%b}],%b}' % (CHOICE % b"message", USAGE)
EVENT = b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[{%b}]}\n\n' % (CHOICE % b"delta")
LAST = b'data: {"id":"c","object":"chat.completion.chunk","model":"m","choices":[],%b}\n\ndata: [DONE]\n\n' % USAGE


def answer(asked: Asked) -> list[Step]:
    if orjson.loads(asked.body)["stream"]:
        return [EVENTS, chunk(EVENT), chunk(LAST), END]
    return [whole(WHOLE)]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the programs of an environment that ``pip install .`` was run in.

    What the bare install needs, by its lock, is copied from the environment of the tests: to fetch and to unpack all of
    it anew takes a minute. Whatever the lock lacks is missing here, as it would be.
    """
    home = tmp_path_factory.mktemp("bare")
    venv.create(home)
    packages = next(home.glob("lib/python*/site-packages"))
    lock = (ROOT / "requirements" / "runtime.lock").read_text()
    for needed in map(Requirement, re.findall(r"^(\S+==[^\\\n]+)", lock, re.MULTILINE)):
        if needed.marker is None or needed.marker.evaluate():
            _copy(needed, packages)
    pip = [sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet", "--no-deps", ROOT]
    subprocess.run(pip, check=True, capture_output=True)
    subprocess.run([home / "bin" / "python", "-m", "compileall", "-q", packages], check=True, capture_output=True)
    return home / "bin"


def _copy(needed: Requirement, packages: Path) -> None:
    found = metadata.distribution(needed.name)
    assert needed.specifier.contains(found.version)
    for each in found.files or ():
        # Programs lie elsewhere, and are not asked for.
        if ".." not in each.parts and each.suffix != ".pyc":
            (packages / each).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(found.locate_file(each)), packages / each)


def without_checkout(home: Path) -> dict[str, str]:
    return {name: value for name, value in environment(home).items() if name != "PYTHONPATH"}


@contextmanager
def serving(program: Path, folder: Path, upstream: str) -> Iterator[tuple[int, int, int]]:
    """Start the installed command; gives its port and the milliseconds until it was ready: the clock's, and its own."""
    port = free_port()
    line = [program, "serve", "--upstream", upstream, "--no-operator", "--listen", f"127.0.0.1:{port}"]
    began = time.monotonic()
    with subprocess.Popen(
        line, cwd=folder, env=without_checkout(folder / "home"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: process.poll() is None and ready(port))
            yield port, round((time.monotonic() - began) * 1000), spent_ms(process.pid)
        finally:
            process.terminate()
            assert process.wait(60) == 0


def ready(port: int) -> bool:
    with suppress(OSError):
        return ask(port, "/readyz").status == 200
    return False


def spent_ms(pid: int) -> int:
    """The processor time that a process and its children have taken."""
    total = 0
    for each in members_of(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(") ")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * 1000 // os.sysconf("SC_CLK_TCK")


def members_of(pid: int) -> list[int]:
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def worker(folder: Path) -> int:
    return orjson.loads((folder / "home" / "run" / "worker-0.metrics.json").read_bytes())["pid"]


def test_the_bare_install_is_ready_within_a_second_and_small(installed: Path, tmp_path: Path) -> None:
    took_ms: list[int] = []
    used_ms: list[int] = []
    sizes_kb: list[int] = []
    factors: list[float] = []
    with provider_in_thread(answer) as provider:
        for number in range(STARTS):
            folder = tmp_path / str(number)
            folder.mkdir()
            factors.append(slowness())
            with serving(installed / "weighbridge", folder, provider.url) as (port, start_ms, own_ms):
                took_ms.append(start_ms)
                used_ms.append(own_ms)
                for turn in range(20):
                    got = ask(port, CHAT, chat("m", stream=turn % 2 == 0))
                    assert got.status == 200
                    assert b"hello" in got.body
                pid = worker(folder)
                until(lambda pid=pid: resident_kb(pid) <= RESIDENT_KB)
                sizes_kb.append(resident_kb(pid))
    factor = max(1.0, statistics.mean(factors))
    measured("ready ms", sorted(took_ms))
    measured("processor ms until ready", sorted(used_ms))
    measured("worker VmRSS kB", sizes_kb)
    measured("this machine is slower by", f"{factor:.2f}; a start may take {round(READY_MS * factor)} ms")
    # What it takes of the processor, imports that follow included; what it takes of the clock is for a quiet machine.
    assert statistics.median(used_ms) <= READY_MS * factor * BUSY
    if SOAK:
        assert statistics.median(took_ms) <= READY_MS * factor
    assert max(sizes_kb) <= RESIDENT_KB


def test_the_shipped_policies_are_in_the_wheel_and_in_force(installed: Path, tmp_path: Path) -> None:
    with provider_in_thread(answer) as provider:
        with serving(installed / "weighbridge", tmp_path, provider.url) as (port, _, _):
            secret = "ghp_" + "a1B2" * 9
            assert ask(port, CHAT, chat("m", f"my token is {secret}")).headers["x-weighbridge-verdict"] == "edit"
        assert secret.encode() not in provider.asked[0].body
        assert b"[GITHUB_TOKEN]" in provider.asked[0].body


def test_embedded_traces_without_the_extra_are_refused_by_name(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "weighbridge", "serve", "--listen", "127.0.0.1:0", "--operator", "127.0.0.1:0"],
        cwd=tmp_path, env=without_checkout(tmp_path / "home"), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pip install 'weighbridge[embedded]'" in done.stderr
    assert "--no-operator" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()
    checked = subprocess.run(
        [installed / "weighbridge", "check"],
        cwd=tmp_path, env=without_checkout(tmp_path / "home"), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout[:3]) == (0, "ok:")
    assert "note: stores.traces: chdb:// needs the extra" in checked.stderr
