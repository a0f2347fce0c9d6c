"""Rules over a streamed answer: text leaves as soon as nothing that may still come can change it.

At every instant the text released on a channel is a prefix of what the whole channel's text becomes, for every way in
which it is cut into pieces. Four things make that so:

- A place is *decided* when no match can begin there any more, whatever comes (:mod:`gateway.guards.pending`). Only
  decided text leaves, never a timer's worth of it.
- A scan sees enough text to the left of what is undecided to find every match from its true start.
- A match that grows (the rest of a token, a private key up to its closing line) leaves its marker at once and swallows
  what follows until it ends; a private key that never closes swallows the rest.
- The same code writes whole texts and pieces (:mod:`gateway.guards.redaction`).

What cannot be decided piece by piece holds its channel until it is whole: tool arguments, which are JSON, and rules in
earnest whose expression needs the whole text (``all``, ``not``). Rules that only observe hold nothing back.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.clients.hyperscan import Found
from gateway.core.errors import Blocked
from gateway.core.ports import Channel
from gateway.guards.encoded import screen_encoded
from gateway.guards.matcher import Cluster, Cover, Hit, in_order
from gateway.guards.redaction import Redaction
from gateway.guards.rules import Rule
from gateway.guards.screening import MAX_EVENTS, Screening, Tally

# A channel that must be kept whole, and does not end, is turned back here.
MAX_HELD_CHARS = 4_194_304
MAX_CHANNELS = 4_096
# Text that is only observed is looked at in pieces of this size.
_OBSERVED_CHARS = 512


class StreamPlan:
    """What all streams under the same rules share.

    Args:
        screening: The rules for the assistant's text.
    """

    __slots__ = ("edited", "enforced", "held", "late", "matcher", "numbers", "pending", "prompt", "screening")

    def __init__(self, screening: Screening) -> None:
        rules = screening.rules
        numbers = screening.matcher.numbers
        self.screening = screening
        self.matcher = screening.matcher
        self.enforced = next((rule for rule in rules if rule.edits or rule.blocks), None)
        self.held = any(rule.held for rule in rules)
        self.edited = screening.edited(rule for rule in rules if rule.local)
        self.numbers = frozenset(numbers[name] for rule in rules for name in rule.names)
        self.pending = screening.matcher.pending(self.numbers)
        # Rules that act on a hit at once, by detector; and those that are judged when all is said.
        self.prompt = {
            number: tuple(rule for rule in rules if rule.local and name in rule.detectors)
            for name, number in numbers.items()
        }
        self.late = tuple(rule for rule in rules if not rule.local)


class StreamScreen(Tally):
    """The rules over one streamed answer; a :class:`gateway.core.ports.StreamVerdicts`.

    Args:
        plan: Shared.
        now_ns: Monotonic clock.
    """

    __slots__ = ("_channels", "_plan")

    def __init__(self, plan: StreamPlan, now_ns: Callable[[], int]) -> None:
        super().__init__("response", now_ns)
        self._plan = plan
        self._channels: dict[Channel, _Piecewise | _Whole] = {}

    def feed(self, channel: Channel, text: str) -> str:
        """Take more text of a channel and return what may be released now.

        Raises:
            Blocked: A rule ends the stream. Whoever goes on is told so again.
        """
        if self.rule:
            raise Blocked(self.rule)
        known = self._channels.get(channel)
        if known is None:
            known = self._open(channel)
        return known.feed(text) if known is not None else text

    def finish(self, channel: Channel) -> str:
        """The channel's text is whole: return the rest of it.

        Raises:
            Blocked: A rule ends the stream.
        """
        if self.rule:
            raise Blocked(self.rule)
        known = self._channels.pop(channel, None)
        return known.finish() if known is not None else ""

    def stop(self, rule: Rule) -> Blocked:
        """End the stream in the name of a rule."""
        self.block(rule)
        return Blocked(rule.spec.id)

    def _open(self, channel: Channel) -> _Piecewise | _Whole | None:
        plan = self._plan
        if len(self._channels) >= MAX_CHANNELS:
            if plan.enforced is not None:
                raise self.stop(plan.enforced)
            return None
        path = f"choices[{channel[0]}].{channel[1]}"
        encoded = channel[1].startswith("tool_argument")
        opened = _Whole(self, plan, path, encoded=encoded) if encoded or plan.held else _Piecewise(self, plan, path)
        self._channels[channel] = opened
        return opened


class _Whole:
    """A channel that is judged when it is whole. What is only observed leaves at once."""

    __slots__ = ("_encoded", "_parts", "_path", "_plan", "_screen", "_size")

    def __init__(self, screen: StreamScreen, plan: StreamPlan, path: str, *, encoded: bool) -> None:
        self._screen = screen
        self._plan = plan
        self._path = path
        self._encoded = encoded
        self._parts: list[str] = []
        self._size = 0

    def feed(self, text: str) -> str:
        enforced = self._plan.enforced
        self._size += len(text)
        if self._size <= MAX_HELD_CHARS:
            self._parts.append(text)
        elif enforced is not None:
            raise self._screen.stop(enforced)
        return "" if enforced is not None else text

    def finish(self) -> str:
        text = "".join(self._parts)
        screening = self._plan.screening
        self._screen.begin()
        finding = screen_encoded(screening, text) if self._encoded else screening.screen(text)
        if finding is not None:
            self._screen.count(finding, self._path)
            if self._screen.rule:
                raise Blocked(self._screen.rule)
        if self._plan.enforced is None:
            return ""
        return text if finding is None or finding.text is None else finding.text


class _Piecewise:
    """A channel whose text leaves as far as it is decided."""

    __slots__ = (
        "_ahead", "_base", "_clusters", "_decided", "_found", "_growing", "_path", "_plan", "_redaction", "_screen",
        "_seen", "_text",
    )  # fmt: skip

    def __init__(self, screen: StreamScreen, plan: StreamPlan, path: str) -> None:
        self._screen = screen
        self._plan = plan
        self._path = path
        # The undecided text with what a scan must see to its left; its first character is number ``base`` of the whole.
        self._text = ""
        self._base = 0
        self._decided = 0
        self._redaction = Redaction(plan.matcher.marker)
        # Matches whose secret part begins behind what is decided; matches that go on; hits that may go on.
        self._ahead: list[Cover] = []
        self._growing: list[Cover] = []
        self._clusters: dict[int, Cluster] = {}
        # Hits, and the detectors that hit, for rules that are judged at the end.
        self._found: list[Hit] = []
        self._seen: set[str] = set()

    def feed(self, text: str) -> str:
        self._text += text
        if self._plan.enforced is not None:
            return self._advance(final=False)
        if len(self._text) - self._decided >= _OBSERVED_CHARS:
            self._advance(final=False)
        return text

    def finish(self) -> str:
        rest = self._advance(final=True)
        for rule in self._plan.late:
            if rule.fires(self._seen):
                self._screen.add(rule, [hit for hit in self._found if hit.detector in rule.detectors], self._path)
        return rest if self._plan.enforced is not None else ""

    def _advance(self, *, final: bool) -> str:
        plan, text, start = self._plan, self._text, self._decided
        stop = len(text) if final else plan.pending.first(text, start)
        if stop == start and not final:
            return ""
        found = plan.matcher.scan(text)
        if not found and not self._clusters and not self._ahead and not self._redaction.busy:
            released = text[start:stop]
            self._redaction.skip(self._base + stop)
        else:
            released = self._release(found, stop, final=final)
        surplus = stop - plan.matcher.context
        if surplus > 0:
            self._text = text[surplus:]
            self._base += surplus
            stop = plan.matcher.context
        self._decided = stop
        return released

    def _release(self, found: list[Found], stop: int, *, final: bool) -> str:
        """Release decided text in which something was found, or that something found before reaches into."""
        plan, text, base, start = self._plan, self._text, self._base, self._decided
        matcher = plan.matcher
        self._screen.begin()
        for cover in self._growing:
            cover.extend(text, base, final=final)
        fresh = [
            item for item in found if item[1] < stop and item[2] > start and matcher.detector(item[0]) in plan.numbers
        ]
        covers = matcher.stand(text, fresh, base, (start, stop), final=final)
        self._growing = [cover for cover in self._growing + covers if cover.growth is not None]
        decided = base + stop
        if self._ahead:
            covers = sorted(self._ahead + covers, key=in_order)
        ready = [cover for cover in covers if cover.start < decided]
        self._ahead = [cover for cover in covers if cover.start >= decided]
        self._note(ready, decided, final=final)
        edits = [cover for cover in ready if matcher.detector(cover.rank) in plan.edited]
        return self._redaction.write(text, base, edits, decided)

    def _note(self, covers: list[Cover], decided: int, *, final: bool) -> None:
        """Join matches to hits, tell the rules of each one that is complete, and of one that blocks at once."""
        clusters, matcher = self._clusters, self._plan.matcher
        for cluster in clusters.values():
            cluster.refresh()
        for cover in covers:
            number = matcher.detector(cover.rank)
            known = clusters.get(number)
            if known is not None and known.takes(cover):
                continue
            if known is not None:
                self._close(number, known)
            clusters[number] = cluster = Cluster(cover)
            for rule in self._plan.prompt[number]:
                if rule.blocks:
                    self._close(number, cluster)
                    raise self._screen.stop(rule)
        for number, cluster in list(clusters.items()):
            if final or (not cluster.refresh() and cluster.end <= decided):
                self._close(number, clusters.pop(number))

    def _close(self, number: int, cluster: Cluster) -> None:
        hit = self._plan.matcher.hit(cluster)
        if self._plan.late:
            self._seen.add(hit.detector)
            if len(self._found) < MAX_EVENTS:
                self._found.append(hit)
        for rule in self._plan.prompt[number]:
            self._screen.add(rule, [hit], self._path)
