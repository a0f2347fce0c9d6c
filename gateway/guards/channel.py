"""One text of a stream: released piece by piece as far as it is decided, or held until it is whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.clients.hyperscan import Found
from gateway.core.errors import Blocked
from gateway.core.verdict import DetectorSpec, Thresholds
from gateway.guards.cover import Cluster, Cover, Hit, in_order, leading
from gateway.guards.encoded import screen_encoded
from gateway.guards.redaction import Redaction
from gateway.guards.rules import Rule
from gateway.guards.runner import Runner
from gateway.guards.screening import MAX_EVENTS, Tally, of_local
from gateway.guards.stream_plan import StreamPlan
from gateway.guards.vault import Masks
from gateway.plugin.runner import DetectorFailed

# A channel that must be kept whole, and does not end, is turned back here.
MAX_HELD_CHARS = 4_194_304
# Text that is only observed is looked at in pieces of this size.
_OBSERVED_CHARS = 512


class StreamTally(Tally):
    """What rules did to a stream so far.

    Args:
        now_ns: Monotonic clock.
        thresholds: Of the sum of points.
        masks: Take what is masked.

    Attributes:
        failures: Texts that a detector could not judge.
    """

    __slots__ = ("failures", "masks")

    def __init__(self, now_ns: Callable[[], int], thresholds: Thresholds | None, masks: Masks | None) -> None:
        super().__init__("response", now_ns, thresholds)
        self.masks = masks or Masks()
        self.failures = 0

    def stop(self, rule: str) -> Blocked:
        """End the stream in the name of a rule."""
        self.block(rule)
        return Blocked(rule)

    def failed(self, plan: StreamPlan, spec: DetectorSpec, path: str) -> None:
        """Count a detector that could not judge a text.

        Raises:
            Blocked: The policy ends the stream for that.
        """
        self.failures += 1
        self.fail(spec.name, of_local(spec.on_error), path, acts=plan.acts(spec.name))
        self.check()

    def failed_by_itself(self, spec: DetectorSpec, path: str, rules: Sequence[Rule]) -> None:
        """Count a detector whose own rules or patterns could not judge a clause.

        Raises:
            Blocked: The policy ends the stream for that.
        """
        self.failures += 1
        acts = any(rule.acts and spec.name in rule.names for rule in rules)
        self.fail(spec.name, of_local(spec.on_error), path, acts=acts)
        self.check()

    def check(self) -> None:
        """End the stream when a rule wants that.

        Raises:
            Blocked: One does.
        """
        if self.rule:
            raise self.stop(self.rule)


class Whole:
    """A channel that is judged when it is whole. What is only observed leaves at once."""

    __slots__ = ("_encoded", "_parts", "_path", "_plan", "_screen", "_size", "edited_by")

    def __init__(self, screen: StreamTally, plan: StreamPlan, path: str, *, encoded: bool) -> None:
        self._screen = screen
        self._plan = plan
        self._path = path
        self._encoded = encoded
        self._parts: list[str] = []
        self._size = 0
        # The rule that has edited the text, else empty.
        self.edited_by = ""

    def feed(self, text: str) -> str:
        """Take more text and return what may be released now.

        Raises:
            Blocked: The text is too long to be held.
        """
        enforced = self._plan.enforced
        self._size += len(text)
        if self._size <= MAX_HELD_CHARS:
            self._parts.append(text)
        elif enforced is not None:
            raise self._screen.stop(enforced.spec.id)
        return "" if enforced is not None else text

    def finish(self) -> str:
        """Judge the text and return what is left to release.

        Raises:
            Blocked: A rule ends the stream.
        """
        text = "".join(self._parts)
        plan, screen = self._plan, self._screen
        screen.begin()
        screening = plan.screening
        if self._encoded:
            finding = screen_encoded(screening, text, plan.shown, screen.masks)
        else:
            finding = screening.screen(text, plan.shown, screen.masks)
        if finding is not None:
            screen.count(finding, self._path)
            for spec, _ in finding.failed:
                screen.failed(plan, spec, self._path)
            screen.check()
        if plan.enforced is None:
            return ""
        if finding is None or finding.text is None:
            return text
        if finding.text != text:
            self.edited_by = next((rule.spec.id for rule in finding.fired if rule.edits), plan.enforced.spec.id)
        return finding.text


class Piecewise:
    """A channel whose text leaves as far as it is decided."""

    __slots__ = (
        "_ahead", "_base", "_broken", "_clusters", "_decided", "_found", "_growing", "_kept", "_path", "_plan",
        "_redaction", "_screen", "_seen", "_size", "_text", "_weighed", "edited_by",
    )  # fmt: skip

    def __init__(self, screen: StreamTally, plan: StreamPlan, path: str) -> None:
        self._screen = screen
        self._plan = plan
        self._path = path
        # The undecided text with what a scan must see to its left; its first character is number ``base`` of the whole.
        self._text = ""
        self._base: int = 0
        self._decided: int = 0
        self._redaction = Redaction(plan.settled, screen.masks)
        # Matches whose secret part begins behind what is decided; matches that go on; hits that may go on.
        self._ahead: list[Cover] = []
        self._growing: list[Cover] = []
        self._clusters: dict[int, Cluster] = {}
        # Hits, and the detectors that hit, for rules that are judged at the end; and the text, for those who judge it.
        self._found: list[Hit] = []
        self._seen: set[str] = set()
        self._kept: list[str] = []
        self._size = 0
        # Rules whose points are counted; detectors that failed here.
        self._weighed: set[str] = set()
        self._broken: set[str] = set()
        # The rule that was the first to edit the text, else empty.
        self.edited_by = ""

    @property
    def held(self) -> int:
        """Characters at hand, the context of what is undecided included."""
        return len(self._text)

    def feed(self, text: str) -> str:
        """Take more text and return what may be released now.

        Raises:
            Blocked: A rule ends the stream.
        """
        self._text += text
        plan = self._plan
        if plan.texts and self._size <= MAX_HELD_CHARS:
            self._size += len(text)
            self._kept.append(text)
        if plan.enforced is not None:
            return self._advance(final=False)
        if len(self._text) - self._decided >= _OBSERVED_CHARS:
            self._advance(final=False)
        return text

    def finish(self) -> str:
        """Take the end of the text and return what is left to release.

        Raises:
            Blocked: A rule ends the stream.
        """
        rest = self._advance(final=True)
        plan, screen = self._plan, self._screen
        if plan.texts:
            self._judge_whole()
        for rule in plan.late:
            if rule.fires(rule.heard(self._seen, plan.shown)):
                speaking = rule.speaking(plan.shown)
                screen.add(rule, [hit for hit in self._found if hit.detector in speaking], self._path)
        screen.check()
        return rest if plan.enforced is not None else ""

    def _judge_whole(self) -> None:
        """Let detectors that only observe judge the text now that it is whole."""
        plan, screen = self._plan, self._screen
        screen.begin()
        text = "".join(self._kept) if self._size <= MAX_HELD_CHARS else None
        for runner in plan.texts:
            found = runner.run(text, plan.screening.about) if text is not None else None
            if found is None or found.error:
                screen.failed(plan, runner.spec, self._path)
                continue
            for hit in [*[Cluster(cover).hit() for cover in found.covers], *found.points]:
                self._remember(hit)

    def _advance(self, *, final: bool) -> str:
        plan, text, start = self._plan, self._text, self._decided
        stop = len(text) if final else plan.pending.first(text, start)
        if plan.pieces and not final:
            stop = min(stop, self._piece_pending(text, start))
        if stop == start and not final:
            return ""
        found = plan.matcher.scan(text)
        pieces = self._pieces(text, start, stop) if plan.pieces else []
        if not found and not pieces and not self._clusters and not self._ahead and not self._redaction.busy:
            released = text[start:stop]
            self._redaction.skip(self._base + stop)
        else:
            released, stop = self._release(found, pieces, stop, final=final)
        surplus = stop - plan.context
        if surplus > 0 and (needs := self._redaction.needs) is not None:
            surplus = min(surplus, needs - self._base)
        if surplus > 0:
            self._text = text[surplus:]
            self._base += surplus
            stop -= surplus
        self._decided = stop
        return released

    def _piece_pending(self, text: str, start: int) -> int:
        stop = len(text)
        for runner in self._plan.pieces:
            if runner.name not in self._broken:
                try:
                    stop = min(stop, max(start, runner.pending(text, start)))
                except DetectorFailed:
                    self._break(runner)
        return stop

    def _pieces(self, text: str, start: int, stop: int) -> list[Cover]:
        """Return what detectors that are no patterns find in what is decided now."""
        covers: list[Cover] = []
        about = self._plan.screening.about
        for runner in self._plan.pieces:
            if runner.name not in self._broken:
                found = runner.run(text, about, self._base)
                if found.error:
                    self._break(runner)
                low, high = start + self._base, stop + self._base
                self._screen.advise([hit for hit in found.points if low <= hit.start < high], self._path)
                covers += [cover for cover in found.covers if low <= cover.start < high]
        return covers

    def _break(self, runner: Runner) -> None:
        self._broken.add(runner.name)
        self._screen.failed(self._plan, runner.spec, self._path)

    def _release(self, found: list[Found], pieces: list[Cover], stop: int, *, final: bool) -> tuple[str, int]:
        """Release decided text in which something was found, or that something found before reaches into."""
        plan, text, base, start = self._plan, self._text, self._base, self._decided
        matcher = plan.matcher
        self._screen.begin()
        for spec, _ in plan.screening.overflow():
            self._screen.failed(plan, spec, self._path)
        for cover in self._growing:
            cover.extend(text, base, final=final)
        fresh = [
            item for item in found if item[1] < stop and item[2] > start and matcher.detector(item[0]) in plan.numbers
        ]
        covers = matcher.stand(text, fresh, base, (start, stop), final=final)
        waiting = [cover.begin - base for cover in covers if cover.waits]
        if waiting:
            # Whether it stands at all depends on where it ends.
            stop = min(waiting)
            covers = [cover for cover in covers if cover.begin - base < stop]
            pieces = [cover for cover in pieces if cover.start - base < stop]
        self._growing = leading(self._growing + covers)
        decided = base + stop
        if self._ahead or pieces:
            covers = sorted(self._ahead + covers + pieces, key=in_order)
        ready = [cover for cover in covers if cover.start < decided]
        self._ahead = [cover for cover in covers if cover.start >= decided]
        self._note(ready, decided, final=final)
        edits = [cover for cover in ready if cover.mark.number in plan.settled]
        if edits and not self.edited_by:
            self.edited_by = plan.editor(edits[0].mark.number)
        return self._redaction.write(text, base, edits, decided), stop

    def _note(self, covers: list[Cover], decided: int, *, final: bool) -> None:
        """Join matches to hits, tell the rules of each one that is complete, and of one that blocks at once."""
        clusters, plan = self._clusters, self._plan
        for cluster in clusters.values():
            cluster.refresh()
        for cover in covers:
            number = cover.mark.number
            known = clusters.get(number)
            if known is not None and known.takes(cover):
                continue
            if known is not None:
                self._close(number, known)
            clusters[number] = cluster = Cluster(cover)
            for rule in plan.prompt[number]:
                self._apply(rule, number, cluster)
        for number, cluster in list(clusters.items()):
            if final or (not cluster.refresh() and cluster.end <= decided):
                self._close(number, clusters.pop(number))

    def _apply(self, rule: Rule, number: int, cluster: Cluster) -> None:
        """Let a rule act on a hit that has just begun.

        Raises:
            Blocked: It ends the stream, or its points do.
        """
        screen = self._screen
        if rule.points and rule.spec.id not in self._weighed:
            self._weighed.add(rule.spec.id)
            screen.weigh(rule, self._path)
        if rule.blocks or screen.rule:
            self._close(number, cluster)
            raise screen.stop(rule.spec.id if rule.blocks else screen.rule)

    def _close(self, number: int, cluster: Cluster) -> None:
        hit = cluster.hit()
        if self._plan.late:
            self._remember(hit)
        for rule in self._plan.prompt[number]:
            self._screen.add(rule, [hit], self._path, weigh=False)

    def _remember(self, hit: Hit) -> None:
        if hit.advisory:
            self._screen.advise([hit], self._path)
            return
        self._seen.add(hit.detector)
        if len(self._found) < MAX_EVENTS:
            self._found.append(hit)
