"""Probes: is the process alive, and should it be sent calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

# As clients of Triton ask.
_KSERVE = {"/v2/health/live": "/healthz", "/v2/health/ready": "/readyz"}


class Health:
    """What ``/healthz`` and ``/readyz`` say.

    Args:
        report: Gives the verbose report: configuration hash, policy revision, what the last reload said.
    """

    def __init__(self, report: Callable[[], dict[str, Any]]) -> None:
        self._report = report
        self.draining = False

    def answer(self, path: str, query: str) -> tuple[int, bytes, bytes] | None:
        """Answer a probe.

        Returns:
            Status, header lines and body, or ``None`` when the path is no probe.
        """
        path = _KSERVE.get(path, path)
        if path == "/healthz":
            return 200, b"content-type: application/json\r\n", b'{"status":"ok"}'
        if path != "/readyz":
            return None
        status = "draining" if self.draining else "ready"
        document: dict[str, Any] = {"status": status}
        if "verbose" in query:
            document |= self._report()
        headers = b"content-type: application/json\r\n"
        if self.draining:
            headers += b"retry-after: 1\r\n"
        return 503 if self.draining else 200, headers, orjson.dumps(document)
