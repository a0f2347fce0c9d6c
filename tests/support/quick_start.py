"""Commands of ours that begin at once: in a child of a process that has loaded ours, as a gateway forks its workers.

Loading takes longer than most tests that need a gateway. What a test is about when it is about the start itself, the
command line or the memory of a process begins the long way, as a user begins it.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any, NoReturn

import orjson

ROOT = Path(__file__).parents[2]
# What a gateway has loaded once it has served for a while.
_LOADED = ("gateway.cli.serving", "gateway.app.operating", "gateway.listener.cold")
_ORDER_BYTES = 1 << 17
_FDS = 4
_NUMBER_BYTES = 8
# Read where a library is loaded, so too late for a child.
_TOO_LATE = ("SSL_CERT_FILE", "SSL_CERT_DIR")


class Started:
    """A process of ours, to be used as one of ``subprocess.Popen``."""

    def __init__(self, said: int, stdout: IO[bytes] | None) -> None:
        self._said = said
        self.stdout = stdout
        self.returncode: int | None = None
        self.pid = self._number()

    def _number(self) -> int:
        told = os.read(self._said, _NUMBER_BYTES)
        assert len(told) == _NUMBER_BYTES, "the process that starts others is gone"
        return int.from_bytes(told, "little", signed=True)

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; returns its exit code, or the negative number of the signal that ended it."""
        if self.returncode is None:
            # Not select(), which knows no descriptors beyond a thousand.
            told = select.poll()
            told.register(self._said, select.POLLIN)
            if not told.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired("gateway", timeout or 0)
            self.returncode = self._number()
            os.close(self._said)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still lives."""
        if self.poll() is None:
            os.kill(self.pid, number)


class _Starter:
    """The process that has loaded ours, seen from outside."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ORDER_BYTES)
        self._lock = threading.Lock()
        # In a group of its own: it ends when its line does.
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()], process_group=0,
        )  # fmt: skip
        theirs.close()
        atexit.register(self._close)

    def start(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdin: IO[bytes] | None,
        stdout: IO[bytes] | None,
        stderr: IO[bytes],
    ) -> Started:
        out_read, out_write = (-1, stdout.fileno()) if stdout is not None else os.pipe2(os.O_CLOEXEC)
        said_read, said_write = os.pipe2(os.O_CLOEXEC)
        order = orjson.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)})
        assert len(order) < _ORDER_BYTES
        with self._lock, Path(os.devnull).open("rb") as nothing:
            standard = [(stdin or nothing).fileno(), out_write, stderr.fileno()]
            socket.send_fds(self._line, [order], [*standard, said_write])
        os.close(said_write)
        if stdout is None:
            os.close(out_write)
        return Started(said_read, os.fdopen(out_read, "rb") if stdout is None else None)

    def _close(self) -> None:
        self._line.close()
        self._process.wait(30)


@functools.cache
def _starter(owner: int) -> _Starter:
    return _Starter()


@functools.cache
def _watches_processes() -> bool:
    """Whether the system gives descriptors of processes: not every kernel and container does."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return False
    return True


def start(
    words: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[bytes] | None,
    stderr: IO[bytes],
    stdin: IO[bytes] | None = None,
    quick: bool = True,
) -> Started | subprocess.Popen[bytes]:
    """Run ``weighbridge`` in a session of its own.

    Args:
        words: Of its command line.
        cwd: Its working folder.
        env: Its whole environment.
        stdout: Where it writes; a pipe when ``None``.
        stderr: Where it logs.
        stdin: What it reads; nothing when ``None``.
        quick: Whether from a process that has loaded ours, where that can be.
    """
    if quick and _watches_processes() and all(env.get(name) == os.environ.get(name) for name in _TOO_LATE):
        return _starter(os.getpid()).start(words, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", *words],
        cwd=cwd, env=env, stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.PIPE, stderr=stderr,
        start_new_session=True,
    )  # fmt: skip


def run(
    words: Sequence[str], *, cwd: Path, env: Mapping[str, str], given: bytes = b"", timeout_s: float = 60.0
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of ``weighbridge`` to its end."""
    with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
        stdin.write(given)
        stdin.seek(0)
        started = start(words, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)
        try:
            code = started.wait(timeout_s)
        except subprocess.TimeoutExpired:
            started.send_signal(signal.SIGKILL)
            started.wait()
            raise
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(list(words), code, stdout.read(), stderr.read())


# --- the process that has loaded ours


class _Children:
    """Forks a child for every order, and tells of its end."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        # By the descriptor of the process: its pid, and where its end is told.
        self._living: dict[int, tuple[int, int]] = {}

    def serve(self) -> list[str] | None:
        """Stay until the line ends; in a child, returns the words of its command line at once."""
        while True:
            line = self._line.fileno()
            waiting = select.poll()
            for each in (line, *self._living):
                waiting.register(each, select.POLLIN)
            readable = {each for each, _ in waiting.poll()}
            for pidfd in self._living.keys() & readable:
                self._tell_end(pidfd)
            if line in readable:
                order, fds, _, _ = socket.recv_fds(self._line, _ORDER_BYTES, _FDS)
                if not order:
                    return None
                if (words := self._begin(orjson.loads(order), fds)) is not None:
                    return words

    def _tell_end(self, pidfd: int) -> None:
        pid, said = self._living.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        os.write(said, _number(os.waitstatus_to_exitcode(status)))
        os.close(said)

    def _begin(self, order: dict[str, Any], fds: list[int]) -> list[str] | None:
        *standard, said = fds
        pid = os.fork()
        if pid == 0:
            self._let_go()
            return _become(order, standard, said)
        self._living[os.pidfd_open(pid)] = (pid, said)
        for each in standard:
            os.close(each)
        return None

    def _let_go(self) -> None:
        self._line.close()
        for pidfd, (_, said) in self._living.items():
            os.close(pidfd)
            os.close(said)


def _become(order: dict[str, Any], standard: list[int], said: int) -> list[str]:
    os.setsid()
    for number, fd in enumerate(standard):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    # As for a program that is started there: its folder, then what its environment names.
    named = [folder for folder in order["env"].get("PYTHONPATH", "").split(os.pathsep) if folder]
    sys.path[:] = [order["cwd"], *named, *(folder for folder in sys.path if folder != str(ROOT))]
    os.write(said, _number(os.getpid()))
    os.close(said)
    return order["words"]


def _check_once() -> None:
    """Look over a configuration and its policies: what that needs is built at the first."""
    from gateway.app.policies import load_policies
    from gateway.config.environment import Options
    from gateway.config.load import load_settings

    with TemporaryDirectory() as empty:
        result = load_settings(Options(), {}, Path(empty))
    load_policies(result.policies, result.settings, result.plugins)


def _number(value: int) -> bytes:
    return value.to_bytes(_NUMBER_BYTES, "little", signed=True)


def _main() -> NoReturn:
    cli = import_module("gateway.cli.main")
    for name in (*_LOADED, *(module for module, _ in cli.COMMANDS.values())):
        import_module(name)
    _check_once()
    gc.collect()
    gc.freeze()
    words = _Children(socket.socket(fileno=int(sys.argv[1]))).serve()
    if words is None:
        sys.exit(0)
    sys.argv = ["gateway", *words]
    sys.exit(cli.main())


if __name__ == "__main__":
    _main()
