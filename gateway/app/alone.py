"""A worker without a supervisor: one process, which whoever has started it starts again when it has died.

For the sidecar of a pod: a cluster restarts containers anyway, and a second process costs memory in every pod.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

from gateway.app.supervisor import Child


class Alone:
    """Runs a child's work in this process.

    Args:
        child: The worker.
        on_ready: Called once, when it has said that it is ready.
    """

    def __init__(self, child: Child, on_ready: Callable[[], None]) -> None:
        self._child = child
        self._on_ready = on_ready
        self._early = False

    def run(self) -> int:
        """Stay until told to stop; returns the exit code."""
        # Until the worker listens to signals itself. Without that the first process of a container would not hear.
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGINT, self._note)
        # There is nobody whose end would be this one's: what is written to the first pipe is nothing, ever.
        lifeline_read, _ = os.pipe2(os.O_CLOEXEC)
        ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
        threading.Thread(target=self._await, args=(ready_read,), daemon=True).start()
        return self._child.run(lifeline_read, ready_write)

    def _note(self, number: int, frame: object) -> None:
        if number == signal.SIGINT and not self._early:
            # A worker stops at SIGTERM only; a second Ctrl-C ends it at once.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        self._early = True

    def _await(self, ready_read: int) -> None:
        ready = os.read(ready_read, 1) == b"R"
        os.close(ready_read)
        if ready:
            self._on_ready()
            if self._early:
                os.kill(os.getpid(), signal.SIGTERM)
