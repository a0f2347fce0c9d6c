"""The guards of one policy bundle: which rules hold for an exchange, and what they make of its texts.

This first cut runs deterministic detectors (patterns, secrets) and the actions redact, block and annotate. All patterns
of a bundle are one database, so a text is read once however many rules there are. A clean text costs less than looking
up whether it was seen before would, so verdicts are not remembered from call to call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter_ns
from typing import Any

from gateway.core.errors import Misconfigured
from gateway.core.ports import Dialect
from gateway.core.segments import KEY, Direction, Path, Segment, pointer, replace_leaves
from gateway.core.verdict import Bundle, CallFacts, Screened
from gateway.guards.encoded import leaves, screen_encoded
from gateway.guards.matcher import Matcher
from gateway.guards.redaction import redact
from gateway.guards.rules import Rule, applies, matches, named, prepare
from gateway.guards.screening import Screening, Tally
from gateway.guards.stream import StreamPlan, StreamScreen

# Clients choose model names, and providers roles: what is remembered of them is bounded.
_MAX_PLANS, _MAX_LABEL_CHARS, _MAX_ROLES = 1024, 1024, 32
_MAX_NAME_CHARS, _MAX_PATH_CHARS = 64, 512
# Who may be the author of a text in an answer.
_ANSWERING = ("assistant", "")


class GuardPlan:
    """The rules that apply to one exchange.

    Attributes:
        revision: The bundle's.
        request_active: A rule may apply to the request.
        response_active: A rule may apply to the answer.
    """

    __slots__ = (
        "_matcher",
        "_now_ns",
        "_rules",
        "_screenings",
        "_stream",
        "request_active",
        "response_active",
        "revision",
    )

    def __init__(
        self, revision: str, matcher: Matcher, rules: dict[Direction, tuple[Rule, ...]], now_ns: Callable[[], int]
    ) -> None:
        self.revision = revision
        self.request_active = bool(rules["request"])
        self.response_active = bool(rules["response"])
        self._matcher = matcher
        self._rules = rules
        self._now_ns = now_ns
        self._screenings: dict[tuple[Direction, str], Screening] = {}
        self._stream: StreamPlan | None = None

    def screen_request(self, dialect: Dialect, document: Any) -> Screened:
        """Screen every text of a request; the document is not changed, an edited one is a copy."""
        if not self.request_active:
            return Screened(document=document)
        return self._screen("request", document, dialect.segments(document))[0]

    def screen_answer(self, dialect: Dialect, document: Any) -> Screened:
        """Screen every text of a whole answer; what repeats an edited text is taken out."""
        if not self.response_active:
            return Screened(document=document)
        screened, paths = self._screen("response", document, dialect.answer_segments(document))
        if screened.edited:
            screened.document = dialect.strip_repeats(screened.document, paths)
        return screened

    def screen_opaque(self, direction: Direction) -> Screened:
        """Judge a body that cannot be read: nothing was scanned, and the record says so."""
        return Screened(coverage=0.0 if self._rules[direction] else 1.0)

    def stream_screen(self) -> StreamScreen:
        """Return a fresh screen for one streamed answer."""
        if self._stream is None:
            self._stream = StreamPlan(self._screening("response", "assistant"))
        return StreamScreen(self._stream, self._now_ns)

    def _screen(self, direction: Direction, document: Any, segments: Iterable[Segment]) -> tuple[Screened, set[Path]]:
        meant: list[tuple[Segment, Screening]] = []
        idle = False
        for segment in segments:
            screening = self._screening(direction, segment.role)
            if screening.rules:
                meant.append((segment, screening))
                idle = idle or screening.idle
        # No pattern knows the ends of a text, so whatever is found in one of them is found in all of them joined.
        if not meant or not (idle or self._matcher.quick("\n".join([_scanned(segment) for segment, _ in meant]))):
            return Screened(document=document), set()
        tally = Tally(direction, self._now_ns)
        edits: dict[Path, str] = {}
        for segment, screening in meant:
            edit = _judge(segment, screening, tally)
            if edit is not None:
                edits[segment.path] = edit
        screened = Screened(action=tally.action, document=document, rule=tally.rule, events=tally.events)
        if edits and not tally.rule:
            screened.document = replace_leaves(document, _without_clashes(document, edits))
            screened.edited = True
        return screened, set(edits)

    def _screening(self, direction: Direction, role: str) -> Screening:
        known = self._screenings.get((direction, role))
        if known is None:
            rules = tuple(rule for rule in self._rules[direction] if matches(rule.spec.match.role, role))
            known = Screening(self._matcher, rules)
            if len(self._screenings) < _MAX_ROLES:
                self._screenings[direction, role] = known
        return known


class GuardEngine:
    """The guards of one bundle. Belongs to one thread.

    Args:
        bundle: Checked by the policy room.
        now_ns: Monotonic clock, for the latency of detections.

    Raises:
        Misconfigured: A pattern cannot run, or a rule names a detector that there is none of.
    """

    def __init__(self, bundle: Bundle, now_ns: Callable[[], int] = perf_counter_ns) -> None:
        self.revision = bundle.revision
        self._now_ns = now_ns
        self._rules = tuple(prepare(spec) for spec in bundle.rules)
        wanted = {name for spec in bundle.rules for name in named(spec.when)}
        known = {detector.name for detector in bundle.detectors}
        if missing := sorted(wanted - known):
            raise Misconfigured(f"A rule names detectors that there are none of: {', '.join(missing)}.")
        self._matcher = Matcher([detector for detector in bundle.detectors if detector.name in wanted])
        self._plans: dict[tuple[str, str, str, str], GuardPlan] = {}
        # Many models, few sets of rules: what a set needs is built once.
        self._by_rules: dict[tuple[tuple[int, ...], tuple[int, ...]], GuardPlan] = {}

    def plan(self, facts: CallFacts) -> GuardPlan:
        """Return the rules that apply to an exchange."""
        key = (facts.route, facts.model, facts.provider, facts.team)
        known = self._plans.get(key)
        return known if known is not None else self._make(key, facts)

    def _make(self, key: tuple[str, str, str, str], facts: CallFacts) -> GuardPlan:
        rules = self._rules
        request = [number for number, rule in enumerate(rules) if applies(rule.spec, "request", facts)]
        response = [
            number
            for number, rule in enumerate(rules)
            if applies(rule.spec, "response", facts) and any(matches(rule.spec.match.role, role) for role in _ANSWERING)
        ]
        chosen = (tuple(request), tuple(response))
        plan = self._by_rules.get(chosen)
        if plan is None:
            split: dict[Direction, tuple[Rule, ...]] = {
                "request": tuple(rules[number] for number in request),
                "response": tuple(rules[number] for number in response),
            }
            plan = GuardPlan(self.revision, self._matcher, split, self._now_ns)
            _keep(self._by_rules, chosen, plan)
        if sum(map(len, key)) <= _MAX_LABEL_CHARS:
            _keep(self._plans, key, plan)
        return plan


def _keep(plans: dict[Any, GuardPlan], key: Any, plan: GuardPlan) -> None:
    if len(plans) >= _MAX_PLANS:
        del plans[next(iter(plans))]
    plans[key] = plan


def _scanned(segment: Segment) -> str:
    """The text in which to look for candidates: for JSON, also with its escapes resolved."""
    if not segment.encoded:
        return segment.text
    inner = leaves(segment.text)
    return segment.text if inner is None else f"{segment.text}\n{inner}"


def _judge(segment: Segment, screening: Screening, tally: Tally) -> str | None:
    """Screen one text, count what holds, and return the text it becomes where it changes."""
    finding = screen_encoded(screening, segment.text) if segment.encoded else screening.screen(segment.text)
    if finding is None:
        return None
    tally.count(finding, _shown(screening.matcher, segment.path))
    return finding.text


def _shown(matcher: Matcher, path: Path) -> str:
    """Show a path; a member's name on the way to a hit may itself be a secret."""
    names = [
        redact(step, matcher.covers(step), matcher.marker)[:_MAX_NAME_CHARS] if isinstance(step, str) else step
        for step in path
    ]
    return pointer(tuple(names))[:_MAX_PATH_CHARS]


def _without_clashes(document: Any, edits: dict[Path, str]) -> dict[Path, str]:
    """Number new member names that another member has already, so that none hides it."""
    taken: dict[Path, set[str]] = {}
    chosen: dict[Path, str] = {}
    for path, text in edits.items():
        name = text
        if path and path[-1] == KEY:
            parent = path[:-2]
            if parent not in taken:
                holder = document
                for step in parent:
                    holder = holder[step]
                taken[parent] = set(holder)
            number = 2
            while name in taken[parent]:
                name = f"{text}_{number}"
                number += 1
            taken[parent].add(name)
        chosen[path] = name
    return chosen
