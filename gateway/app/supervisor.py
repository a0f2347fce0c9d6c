"""The parent of all: forks, watches, restarts, forwards signals. It has no loop and no thread, so forking is safe.

A child is forked with everything imported and checked, so a worker that died is back in milliseconds, and the listening
sockets stay open here meanwhile: connections wait in the backlog instead of being refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from gateway.clients.clock import SystemClock

log = logging.getLogger("weighbridge.supervisor")
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# A child that lived so long starts its count of failures anew.
SOUND_LIFE_S = 10.0
GRACE_S = 10.0
_FORWARDED = (signal.SIGHUP,)
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass
class Child:
    """One process to keep alive.

    Attributes:
        run: Runs in the child; gets a pipe that is closed when the supervisor dies, and one to write to when ready.
        sockets: What it listens on. They stay open in the supervisor while it runs, and in no other child.
    """

    name: str
    run: Callable[[int, int], int]
    sockets: list[socket.socket] = field(default_factory=list[socket.socket])
    pid: int = 0
    started_s: float = 0.0
    restart_at_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    ready: bool = False
    ready_fd: int = -1

    def let_go(self) -> None:
        """Close this process's copies of the sockets."""
        for each in self.sockets:
            each.close()


@dataclass
class Supervisor:
    """Keeps children alive until it is told to stop.

    Args:
        workers: Stopped first, each drains.
        operator: Stopped last, so that it can ship what the workers wrote; ``None`` when there is none.
        drain_s: How long workers may take to end.
        on_ready: Called once, when every child has said that it is ready.
    """

    workers: list[Child]
    operator: Child | None
    drain_s: float
    on_ready: Callable[[], None]
    _stopping: bool = False
    _announced: bool = False
    _signals: list[int] = field(default_factory=list[int])
    _clock: SystemClock = field(default_factory=SystemClock)

    def run(self) -> int:
        """Start all, and stay until all have stopped.

        Returns:
            The exit code: 0, or 1 when a child could not even start.
        """
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._lifeline_read, self._lifeline_write = os.pipe2(os.O_CLOEXEC)
        self._wake = (wake_read, wake_write)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, self._on_signal)
        share_memory()
        for child in self._children():
            self._start(child)
        failed = self._loop(wake_read)
        self._stop()
        return 1 if failed else 0

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / 1e9

    def _children(self) -> list[Child]:
        return [*self.workers, *([self.operator] if self.operator is not None else [])]

    def _on_signal(self, number: int, frame: object) -> None:
        self._signals.append(number)

    def _loop(self, wake_read: int) -> bool:
        while not self._stopping:
            waiting = [child.ready_fd for child in self._children() if child.ready_fd >= 0]
            readable, _, _ = select.select([wake_read, *waiting], [], [], self._pause_s())
            if wake_read in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
            self._hear(readable)
            self._take_signals()
            if self._reap():
                return True
            self._revive()
        return False

    def _pause_s(self) -> float:
        """How long to sleep when nothing happens: until a child is due, or for a while."""
        due_s = [child.restart_at_s - self._now_s() for child in self._children() if not child.pid]
        return max(0.0, min([0.5, *due_s]))

    def _take_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number in {signal.SIGTERM, signal.SIGINT}:
                self._stopping = True
            elif number in _FORWARDED:
                self._forward(number, self._children())

    def _forward(self, number: int, children: list[Child]) -> None:
        for child in children:
            if child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)

    def _start(self, child: Child) -> None:
        ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
        # A signal between the fork and the child's own handlers would be noted in a copy of this object, and lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        pid = os.fork()
        if pid == 0:
            self._become(child, ready_read, ready_write)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        os.close(ready_write)
        child.pid, child.ready_fd, child.ready, child.started_s = pid, ready_read, False, self._now_s()

    def _become(self, child: Child, ready_read: int, ready_write: int) -> NoReturn:
        """Run a child's work in the forked process; whatever happens, it must not return into the supervisor."""
        code = 70
        try:
            signal.set_wakeup_fd(-1)
            # A terminal sends Ctrl-C to the whole group; children stop when the supervisor says so.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            for fd in (*self._wake, ready_read, self._lifeline_write):
                os.close(fd)
            for other in self._children():
                if other.ready_fd >= 0:
                    os.close(other.ready_fd)
                if other is not child:
                    other.let_go()
            code = child.run(self._lifeline_read, ready_write)
        finally:
            if sys.exc_info()[0] is not None:
                traceback.print_exc()
            logging.shutdown()
            os._exit(code)

    def _hear(self, readable: list[int]) -> None:
        for child in self._children():
            if child.ready_fd >= 0 and child.ready_fd in readable:
                child.ready = os.read(child.ready_fd, 1) == b"R"
                os.close(child.ready_fd)
                child.ready_fd = -1
        if not self._announced and all(child.ready for child in self._children()):
            self._announced = True
            self.on_ready()

    def _reap(self) -> bool:
        """Collect the dead; returns whether one could not even start, in which case nothing is worth keeping up."""
        for child in self._children():
            if not child.pid:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            code = os.waitstatus_to_exitcode(status)
            child.pid = 0
            if not self._announced and not child.ready and code == 1:
                log.error("%s could not start", child.name)
                return True
            if self._now_s() - child.started_s > SOUND_LIFE_S:
                child.pause_s = FIRST_PAUSE_S
            log.error("%s ended with %s; starting it again in %.1f s", child.name, code, child.pause_s)
            child.restart_at_s = self._now_s() + child.pause_s
            child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)
        return False

    def _revive(self) -> None:
        for child in self._children():
            if not child.pid and child.restart_at_s <= self._now_s():
                self._start(child)

    def _stop(self) -> None:
        # Only the workers hold them now, so that nobody waits on a socket that is accepted from no more.
        for child in self.workers:
            child.let_go()
        self._forward(signal.SIGTERM, self.workers)
        self._await(self.workers, self.drain_s + GRACE_S)
        if self.operator is not None:
            self._forward(signal.SIGTERM, [self.operator])
            self._await([self.operator], GRACE_S)
        signal.set_wakeup_fd(-1)

    def _await(self, children: list[Child], timeout_s: float) -> None:
        deadline_s = self._now_s() + timeout_s
        before = len(self._signals)
        while any(child.pid for child in children):
            for child in children:
                if child.pid and os.waitpid(child.pid, os.WNOHANG)[0]:
                    child.pid = 0
            asked_again = sum(n in {signal.SIGTERM, signal.SIGINT} for n in self._signals[before:])
            if self._now_s() > deadline_s or asked_again:
                # Out of time, or the person at the terminal is out of patience.
                self._forward(signal.SIGKILL, children)
                deadline_s = self._now_s() + GRACE_S
                before = len(self._signals)
            select.select([self._wake[0]], [], [], 0.05)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake[0], 4096)


def share_memory() -> None:
    """Have children share what is there now for as long as nobody changes it.

    A collector that walks objects writes to each of them, so the first walk of a child would copy all of its parent.
    What start-up has left behind is given back before.
    """
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def listening_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """Bind one listening socket a worker; several share the port by ``SO_REUSEPORT``, each with its own backlog.

    Raises:
        OSError: The address cannot be had.
    """
    sockets: list[socket.socket] = []
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        for _ in range(count):
            each = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if count > 1:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind((host, sockets[0].getsockname()[1] if len(sockets) > 1 else port))
            each.listen(4096)
            each.settimeout(0)
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets
