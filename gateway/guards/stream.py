"""Rules over a streamed answer: text leaves as soon as nothing that may still come can change it.

At every instant the text released on a channel is a prefix of what the whole channel's text becomes, for every way in
which it is cut into pieces. Four things make that so:

- A place is *decided* when no match can begin there any more, whatever comes (:mod:`gateway.guards.pending`, and
  ``pending`` of detectors that are no patterns). Only decided text leaves, never a timer's worth of it.
- A scan sees enough text to the left of what is undecided to find every match from its true start.
- A match that grows (the rest of a token, a private key up to its closing line) leaves its marker at once and swallows
  what follows until it ends; a private key that never closes swallows the rest.
- The same code writes whole texts and pieces (:mod:`gateway.guards.redaction`).

Rules that ask a model are judged by clause, beside the stream, by who stands behind it and keeps its events
(:mod:`gateway.guards.clause_gate`): it hears here what is about to leave.

What cannot be decided piece by piece holds its channel until it is whole: tool arguments, which are JSON, rules in
earnest whose expression needs the whole text (``all``, ``not``), and rules in earnest over detectors that judge a text
as a whole. Rules that only observe hold nothing back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import Blocked
from gateway.core.ports import Channel
from gateway.core.verdict import Thresholds
from gateway.guards.channel import Piecewise, StreamTally, Whole
from gateway.guards.stream_plan import StreamPlan
from gateway.guards.vault import Masks

MAX_CHANNELS = 4_096


class Plans(Protocol):
    """Gives each channel its plan."""

    def of(self, channel: Channel) -> StreamPlan:
        """Return the plan of a channel."""
        ...


class Listener(Protocol):
    """Hears what is released: who judges by clause, and who judges beside the call."""

    def heard(self, channel: Channel, text: str) -> None:
        """Take text that is about to leave."""
        ...

    def ended(self, channel: Channel) -> None:
        """A channel's text is whole."""
        ...


class StreamScreen(StreamTally):
    """The rules over one streamed answer; a :class:`gateway.core.ports.StreamVerdicts`.

    Args:
        plans: Shared.
        now_ns: Monotonic clock.
        thresholds: Of the sum of points.
        masks: Take what is masked on the way out; never restored in this answer.
    """

    __slots__ = ("_channels", "_edited", "_listeners", "_opened", "_plans", "released")

    def __init__(
        self,
        plans: Plans,
        now_ns: Callable[[], int],
        thresholds: Thresholds | None = None,
        masks: Masks | None = None,
    ) -> None:
        super().__init__(now_ns, thresholds, masks)
        self._plans = plans
        self._channels: dict[Channel, Piecewise | Whole | None] = {}
        # The rule that has edited a channel that has ended.
        self._edited: dict[Channel, str] = {}
        # Characters that have left, and texts that rules looked at.
        self.released = 0
        self._opened = 0
        self._listeners: tuple[Listener, ...] = ()

    def tell(self, listener: Listener) -> None:
        """Tell somebody of every text that is released from now on."""
        self._listeners = (*self._listeners, listener)

    @property
    def coverage(self) -> float:
        """Texts that could be judged over texts there were."""
        return max(0.0, 1.0 - self.failures / self._opened) if self._opened else 1.0

    def feed(self, channel: Channel, text: str) -> str:
        """Take more text of a channel and return what may be released now.

        Raises:
            Blocked: A rule ends the stream. Whoever goes on is told so again.
        """
        if self.rule:
            raise Blocked(self.rule)
        try:
            known = self._channels[channel]
        except KeyError:
            known = self._open(channel)
        released = known.feed(text) if known is not None else text
        self.released += len(released)
        for listener in self._listeners:
            listener.heard(channel, released)
        return released

    def finish(self, channel: Channel) -> str:
        """The channel's text is whole: return the rest of it.

        Raises:
            Blocked: A rule ends the stream.
        """
        if self.rule:
            raise Blocked(self.rule)
        known = self._channels.pop(channel, None)
        released = known.finish() if known is not None else ""
        if known is not None and known.edited_by and len(self._edited) < MAX_CHANNELS:
            self._edited[channel] = known.edited_by
        self.released += len(released)
        for listener in self._listeners:
            listener.heard(channel, released)
            listener.ended(channel)
        return released

    def seal(self, channel: Channel) -> None:
        """A signature covers the text of a channel that has ended.

        Raises:
            Blocked: A rule has edited the text.
        """
        rule = self._edited.get(channel)
        if rule is not None:
            raise self.stop(rule)

    def _open(self, channel: Channel) -> Piecewise | Whole | None:
        plan = self._plans.of(channel)
        opened: Piecewise | Whole | None = None
        if len(self._channels) >= MAX_CHANNELS:
            if plan.enforced is not None:
                raise self.stop(plan.enforced.spec.id)
            return None
        path = f"choices[{channel[0]}].{channel[1]}"
        if plan.screening.rules:
            encoded = channel[1].startswith("tool_argument")
            whole = encoded or plan.held
            opened = Whole(self, plan, path, encoded=encoded) if whole else Piecewise(self, plan, path)
        self._channels[channel] = opened
        self._opened += 1
        return opened
