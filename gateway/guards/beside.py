"""Judges that are asked beside a call: what they say ends it while it runs, or stands on its record.

A request's judges are asked when it goes on to its provider. Those of an answer are asked about as much of a stream as
there is, each time so much more has come, and about the whole of it when it has ended. Nothing waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from gateway.core.errors import Blocked, GatewayError
from gateway.core.images import find_images
from gateway.core.ports import Channel, Dialect
from gateway.core.segments import Segment
from gateway.core.verdict import Screened
from gateway.guards.plan import GuardPlan

# So much more of a stream is worth another question.
EVERY_CHARS = 1_200
MAX_CHARS = 60_000
_SPOKEN = ("text", "reasoning", "refusal")
Stop = Callable[[GatewayError], None]


class Judging:
    """The judges of one call. Belongs to the call: :meth:`drop` ends it.

    Args:
        plan: The rules.
    """

    __slots__ = ("_asked", "_found", "_parts", "_plan", "_size", "_stop", "_tasks")

    def __init__(self, plan: GuardPlan) -> None:
        self._plan = plan
        self._stop: Stop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._found: list[Screened] = []
        # What a stream has said, and how much of it was asked about.
        self._parts: dict[Channel, list[str]] = {}
        self._size = self._asked = 0

    def begin(self, dialect: Dialect, document: Any, stop: Stop) -> None:
        """Ask about a request that goes on to its provider.

        Args:
            dialect: Knows the document.
            document: As it goes on; ``None`` when it is no document.
            stop: Ends the call, where it still runs.
        """
        self._stop = stop
        if self._plan.request_judges and document is not None:
            images = find_images(document) if self._plan.reads_images else ()
            self._start(dialect.name, [*dialect.segments(document), *images], "request")

    def follow(self, stop: Stop) -> None:
        """The call goes on with another try, which this ends; at once, where a judge has spoken in between."""
        spoken = next((each.rule for each in self._found if each.rule), "")
        if spoken:
            stop(Blocked(spoken))
        else:
            self._stop = stop

    # --- a stream's texts as they leave; a gateway.guards.stream.Listener

    def heard(self, channel: Channel, text: str) -> None:
        """Take text that is about to leave."""
        if self._size >= MAX_CHARS or channel[1].partition("/")[0] not in _SPOKEN:
            return
        self._size += len(text)
        self._parts.setdefault(channel, []).append(text)
        if self._size - self._asked >= EVERY_CHARS and not self._tasks:
            self._asked = self._size
            self._start("", self._said(), "response")

    def ended(self, channel: Channel) -> None:
        """A text is whole; the last question is for when all are."""

    async def conclude(self, answer: tuple[Dialect, Any] | None, request: Any) -> list[Screened]:
        """Wait for the judges of a call that is over, the last question about its answer included.

        Args:
            answer: The whole answer; ``None`` when there is none, or for a stream.
            request: The request's document.
        """
        self._stop = None
        if self._plan.response_judges:
            if answer is not None:
                dialect, document = answer
                self._start(dialect.name, list(dialect.answer_segments(document)), "response", request)
            elif self._size > self._asked:
                self._start("", self._said(), "response", request)
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        return self._found

    def drop(self) -> list[Screened]:
        """Ask no more, and return what was said so far."""
        self._stop = None
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        return self._found

    def _said(self) -> list[Segment]:
        return [
            Segment(("choices", channel[0], channel[1]), "assistant", "text", "".join(parts))
            for channel, parts in self._parts.items()
        ]

    def _start(self, dialect: str, segments: list[Segment], direction: Any, request: Any = None) -> None:
        if not segments:
            return
        task = asyncio.get_running_loop().create_task(self._ask(dialect, segments, direction, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, dialect: str, segments: list[Segment], direction: Any, request: Any) -> None:
        screened = await self._plan.judge(direction, dialect, segments, request=request)
        stop = self._stop
        if screened.rule and stop is not None:
            self._stop = None
            self._found.append(screened)
            stop(Blocked(screened.rule))
            return
        # What was decided too late to end the call is a remark on it.
        late = screened.action == "block"
        self._found.append(msgspec.structs.replace(screened, action="annotate", rule="") if late else screened)
