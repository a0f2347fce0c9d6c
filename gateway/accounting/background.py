"""Answers that are made in the background: weighed when they are fetched, and never twice.

Who asks for one is told a name, and nothing of what it will take. So the name is remembered, here in this process,
until the answer is fetched whole. One that never is, or through another process, stays unknown in the records.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson

from gateway.core.usage import Usage
from gateway.wire.shapes import is_object, is_text

MAX_REMEMBERED = 16_384
_RUNNING = frozenset({"queued", "in_progress"})


class Background:
    """Names of answers that are being made, as their clients know them. The oldest are forgotten first."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    def began(self, answer: bytes) -> bool:
        """Remember the answer that a provider has promised; false when it has answered something else.

        Args:
            answer: The body as the client gets it.
        """
        try:
            document: Any = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return False
        name = document.get("id") if is_object(document) else None
        if not is_text(name) or document.get("status") not in _RUNNING:
            return False
        self._names[name] = None
        if len(self._names) > MAX_REMEMBERED:
            self._names.popitem(last=False)
        return True

    def fetched(self, name: str, usage: Usage | None) -> Usage:
        """Give what a call has used that fetched an answer: what the answer took, the first time that this is told.

        Args:
            name: As the client wrote it.
            usage: What the answer took; ``None`` while it is being made.
        """
        if usage is None or name not in self._names:
            return Usage()
        del self._names[name]
        return usage
