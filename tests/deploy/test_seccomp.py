"""The gateway under its own filter of system calls, by the kernel itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import orjson
import pytest

from tests.support.gateway_run import Gateway, command, environment, exhausted, members, until
from tests.support.under_seccomp import library

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "deploy" / "seccomp" / "weighbridge.json"
UNDER = [sys.executable, "-m", "tests.support.under_seccomp", str(PROFILE)]
_FILTERED = "Seccomp:\t2"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(library() is None, reason="no libseccomp"),
]
# Numbers of x86_64 and of aarch64, where whoever has taken a process over would go on from.
TRIES = """
    import ctypes, errno, os, platform, socket
    library = ctypes.CDLL(None, use_errno=True)
    x86 = platform.machine() == "x86_64"
    calls = {
        "ptrace": 101 if x86 else 117, "mount": 165 if x86 else 40, "unshare": 272 if x86 else 97,
        "setns": 308 if x86 else 268, "bpf": 321 if x86 else 280, "process_vm_readv": 310 if x86 else 270,
        "keyctl": 250 if x86 else 219, "io_uring_setup": 425, "perf_event_open": 298 if x86 else 241,
        "init_module": 175 if x86 else 105, "userfaultfd": 323 if x86 else 282, "pidfd_getfd": 438,
        "chroot": 161 if x86 else 51, "personality": 135 if x86 else 92, "kexec_load": 246 if x86 else 104,
    }
    for name, number in calls.items():
        assert library.syscall(number, 0, 0, 0, 0, 0) == -1, name
        assert ctypes.get_errno() == errno.EPERM, (name, ctypes.get_errno())
    # A new namespace by clone; a thread's own clone is what starts threads, so it works.
    assert library.syscall(56 if x86 else 220, 0x10000000, 0, 0, 0, 0) == -1
    assert ctypes.get_errno() == errno.EPERM
    assert library.syscall(435, 0, 0) == -1 and ctypes.get_errno() == errno.ENOSYS
    for family in (socket.AF_PACKET, socket.AF_VSOCK, socket.AF_ALG):
        try:
            socket.socket(family, socket.SOCK_RAW)
        except PermissionError:
            continue
        raise AssertionError(family)
    socket.socket(socket.AF_INET6).close()
"""


def test_what_a_gateway_never_asks_the_kernel_for_it_may_not_ask_for() -> None:
    subprocess.run([*UNDER, sys.executable, "-c", textwrap.dedent(TRIES)], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize(
    "operator",
    [
        False,
        pytest.param(
            True, marks=pytest.mark.skipif(not os.environ.get("WEIGHBRIDGE_SOAK"), reason="the embedded store is slow")
        ),
    ],
)
def test_a_gateway_lives_under_the_filter(tmp_path: Path, operator: bool) -> None:
    home, log = tmp_path / "home", tmp_path / "log"
    with log.open("ab") as err:
        process = subprocess.Popen(
            [*UNDER, *command(operator=operator)], cwd=tmp_path, env=environment(home), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=err, start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        base = process.stdout.readline().decode().strip()
        assert base, log.read_text()
        gateway = Gateway(process, home, int(base.rpartition(":")[2].removesuffix("/v1")), operator, base, log)
        for pid in members(process.pid):
            assert _FILTERED in Path(f"/proc/{pid}/status").read_text()
        assert gateway.chat().status == 200
        assert gateway.chat(stream=True).body.endswith(b"data: [DONE]\n\n")
        os.kill(gateway.worker_pid(), signal.SIGHUP)
        until(lambda: "reloaded" in gateway.log)
        gateway.kill_worker()
        last = gateway.chat()
        assert gateway.record_of(last.id)["status"] == 200
        if operator:
            until(lambda: gateway.ask_operator("/readyz").status == 200)
            until(lambda: gateway.sql("SELECT count() AS n FROM exchanges")[0]["n"] >= 3)
        assert gateway.stop() == 0
    finally:
        if not exhausted(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
        process.stdout.close()


def test_the_profile_is_one_that_engines_take() -> None:
    profile = orjson.loads(PROFILE.read_bytes())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = [name for entry in profile["syscalls"] if entry["action"] == "SCMP_ACT_ALLOW" for name in entry["names"]]
    assert len(set(allowed) - {"socket"}) == len([name for name in allowed if name != "socket"])
    assert not {"ptrace", "bpf", "mount", "unshare", "setns", "clone3", "keyctl", "process_vm_readv"} & set(allowed)
