"""The rules that hold for one class of exchanges, sorted by when and over what they can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from gateway.core.capture import Bodies
from gateway.core.ports import Channel, Dialect
from gateway.core.segments import Direction, Segment
from gateway.core.verdict import ANY, Screened
from gateway.guards.clause_gate import ClauseGate
from gateway.guards.clause_plan import ClausePlan, clausal
from gateway.guards.document import DocumentScreen, Opinions, Scope
from gateway.guards.kit import Kit
from gateway.guards.outside import ask
from gateway.guards.rules import Rule, admits
from gateway.guards.screening import Screening
from gateway.guards.stream import StreamScreen
from gateway.guards.stream_plan import StreamPlan
from gateway.guards.vault import Masks
from gateway.plugin.guard import About, Subject

# Clients make up roles, and names of tools: what is remembered of them is bounded.
_MAX_SCREENINGS, _MAX_STREAM_PLANS = 64, 64
_STREAM_KINDS = frozenset({"text", "reasoning", "refusal", "tool_name", "tool_argument"})


class Side:
    """The rules of one direction.

    Args:
        kit: The bundle's detectors.
        direction: Which.
        rules: In the order of the policy.
        beside: They are those on judges, which are asked beside the call; without, those are left out.

    Attributes:
        active: There are rules.
        texts: Rules that are judged for each text.
        prompt: Rules over the whole that are judged before it goes on.
        late: Rules over the whole that only observe, and ask someone else.
        asks: Detectors outside that are asked before it goes on.
        stops: A rule over the whole may change or end it.
    """

    def __init__(self, kit: Kit, direction: Direction, rules: tuple[Rule, ...], *, beside: bool = False) -> None:
        self.kit = kit
        self.direction: Direction = direction
        self.active = bool(rules)
        rules = tuple(rule for rule in rules if on_judges(rule, kit) is beside)
        self.texts = tuple(rule for rule in rules if not any(kit.whole(name, direction) for name in rule.names))
        over_all = [rule for rule in rules if rule not in self.texts]
        asks = {name for rule in over_all if rule.acts and not beside for name in rule.names if name in kit.askers}
        self.asks = tuple(name for name in kit.askers if name in asks)
        self.late = tuple(rule for rule in over_all if (rule.names & kit.askers.keys()) - asks)
        self.prompt = tuple(rule for rule in over_all if rule not in self.late)
        self.stops = any(rule.acts and (rule.edits or rule.blocks or rule.points) for rule in self.prompt)
        matches = [rule.spec.match for rule in rules] + [exempt.spec.match for rule in rules for exempt in rule.exempts]
        self._by_kind = any(match.kind != ANY for match in matches)
        self._by_tool = any(match.tool != ANY for match in matches)
        # Detectors that are no patterns are told what a text is, and by which tool.
        if any(runner.name in rule.names for rule in rules for runner in kit.runners):
            self._by_kind = self._by_tool = True
        self._screenings: dict[tuple[str, str, str], Screening] = {}

    def screening(self, role: str, kind: Any, tool: str) -> Screening:
        """Return the rules for one kind of text."""
        key = (role, kind if self._by_kind else "", tool if self._by_tool else "")
        known = self._screenings.get(key)
        if known is None:
            known = self._make(role, kind, tool)
            if len(self._screenings) >= _MAX_SCREENINGS:
                del self._screenings[next(iter(self._screenings))]
            self._screenings[key] = known
        return known

    def _make(self, role: str, kind: Any, tool: str) -> Screening:
        rules = tuple(
            msgspec.structs.replace(
                rule, exempts=tuple(exempt for exempt in rule.exempts if admits(exempt.spec.match, role, kind, tool))
            )
            if rule.exempts
            else rule
            for rule in self.texts
            if admits(rule.spec.match, role, kind, tool)
        )
        watched = frozenset(
            name
            for rule in (*self.prompt, *self.late)
            if admits(rule.spec.match, role, kind, tool)
            for name in rule.names
            if name in self.kit.local or not self.kit.whole(name, self.direction)
        )
        about = About(self.direction, role, kind, tool)
        return Screening(self.kit.matcher, rules, about=about, runners=self.kit.runners, watched=watched)


def on_judges(rule: Rule, kit: Kit) -> bool:
    """Whether a rule asks a judge, beside the call."""
    return any(name in kit.askers and kit.askers[name].beside for name in rule.names)


class GuardPlan:
    """The rules that apply to one exchange.

    Args:
        kit: The bundle's detectors.
        request: The rules of requests.
        response: The rules of answers.
        bodies: How much is kept of bodies, where a policy says that.

    Attributes:
        revision: The bundle's.
        request_active: A rule may apply to the request.
        response_active: A rule may apply to the answer.
        request_asks: Somebody outside is asked before the request goes on.
        response_asks: Somebody outside is asked before the answer goes on.
        clauses: Rules over a streamed answer that are judged by clause; ``None`` for none.
        gathers: What becomes of a streamed answer for rules over the whole: nothing; it is kept while it leaves, since
            they only observe (``watch``); or it is held until it is whole, since they may end or change it (``hold``).
        request_judges: A judge is asked about the request, beside the call.
        response_judges: A judge is asked about the answer, beside the call.
        judged: One of the two.
        reads_images: One of those of the request is asked about images.
        observes: Somebody outside is asked beside the call, for rules that only observe.
        steady: The detectors are patterns alone: of the same text they say the same each time.
    """

    __slots__ = (
        "_answers", "_beside", "_kit", "_rules", "_streamed", "_streams", "_twin", "bodies", "clauses", "gathers",
        "judged", "observes", "reads_images", "request", "request_active", "request_asks", "request_judges", "response",
        "response_active", "response_asks", "response_judges", "revision", "steady",
    )  # fmt: skip

    def __init__(
        self, kit: Kit, request: tuple[Rule, ...], response: tuple[Rule, ...], bodies: Bodies | None = None
    ) -> None:
        self._kit = kit
        self.bodies: Bodies | None = bodies
        self._rules = request, response
        self._twin: GuardPlan | None = None
        self._answers: GuardPlan | None = None
        self.revision = kit.bundle.revision
        self.steady = not (kit.runners or kit.judges or kit.askers)
        self.request = Side(kit, "request", request)
        self.response = Side(kit, "response", response)
        self.request_active = self.request.active
        self.response_active = self.response.active
        self.request_asks = bool(self.request.asks)
        self.response_asks = bool(self.response.asks)
        self.observes = bool(self.request.late or self.response.late)
        self._beside = Side(kit, "request", request, beside=True), Side(kit, "response", response, beside=True)
        self.request_judges, self.response_judges = (bool(side.late) for side in self._beside)
        self.judged = self.request_judges or self.response_judges
        asked = {name for rule in self._beside[0].late for name in rule.names}
        self.reads_images = any(asker.images for name, asker in kit.askers.items() if name in asked)
        by_clause = clausal(self.response)
        self.clauses = ClausePlan(kit, by_clause, self.response.asks) if by_clause else None
        rest = tuple(rule for rule in response if rule not in by_clause)
        # The rules of a streamed answer that are not judged by clause.
        self._streamed = Side(kit, "response", rest) if by_clause else self.response
        self.gathers: Literal["", "watch", "hold"] = ""
        if self._streamed.stops:
            self.gathers = "hold"
        elif self._streamed.prompt or self._streamed.late:
            self.gathers = "watch"
        self._streams = StreamPlans(self._streamed, self._kit)

    @property
    def looks(self) -> bool:
        """Whether a rule may apply at all."""
        return self.request_active or self.response_active

    def twin(self) -> GuardPlan:
        """The same plan for another thread, which is the one to call this."""
        if self._twin is None:
            self._twin = GuardPlan(self._kit.twin(), *self._rules, self.bodies)
        return self._twin

    def of_answers(self) -> GuardPlan:
        """The same rules for answers, and none for requests: for what these have passed before."""
        if self._answers is None:
            self._answers = self if not self._rules[0] else GuardPlan(self._kit, (), self._rules[1], self.bodies)
        return self._answers

    def clean(self, direction: Direction, dialect: Dialect, document: Any) -> bool:
        """Say whether a glance shows that no rule can hold for a document; no when in doubt."""
        subject = Subject(
            direction=direction,
            dialect=dialect.name,
            document=document,
            segments=_segments(direction, dialect, document),
        )
        return DocumentScreen(self._side(direction), subject, None, None).clean()

    def dense(self, direction: Direction, dialect: Dialect, document: Any) -> bool:
        """Say whether a glance shows that a document takes far longer to judge than others of its size."""
        matcher = self._kit.matcher
        if not matcher.dear or not self._side(direction).active:
            return False
        return matcher.dense("\n".join([segment.text for segment in _segments(direction, dialect, document)]))

    def screen_request(
        self, dialect: Dialect, document: Any, *, masks: Masks | None = None, opinions: Opinions | None = None
    ) -> Screened:
        """Screen every text of a request; the document is not changed, an edited one is a copy.

        Args:
            dialect: Knows the document.
            document: As said.
            masks: Take what is masked.
            opinions: What was said outside, where :attr:`request_asks`; without them nothing was.
        """
        if not self.request_active:
            return Screened(document=document)
        subject = Subject(
            direction="request", dialect=dialect.name, document=document, segments=list(dialect.segments(document))
        )
        return DocumentScreen(self.request, subject, masks, opinions).screen(Scope.ALL)[0]

    def screen_answer(
        self, dialect: Dialect, document: Any, *, request: Any = None, opinions: Opinions | None = None
    ) -> Screened:
        """Screen every text of a whole answer; what repeats an edited text is taken out.

        Args:
            dialect: Knows the document.
            document: As said.
            request: The request's document.
            opinions: What was said outside, where :attr:`response_asks`.
        """
        if not self.response_active:
            return Screened(document=document)
        return self._answer(dialect, document, request, opinions, Scope.ALL)

    def judge_stream(
        self, dialect: Dialect, transcript: Any, *, request: Any = None, opinions: Opinions | None = None
    ) -> Screened:
        """Judge a streamed answer that is whole by the rules over the whole; its texts are screened as they go."""
        return self._answer(dialect, transcript, request, opinions, Scope.WHOLE)

    async def ask_stream(self, dialect: Dialect, transcript: Any) -> Opinions:
        """Ask the detectors outside about a streamed answer that is whole, those left out that are asked by clause."""
        streamed = self._streamed
        return await ask(streamed, streamed.asks, _segments("response", dialect, transcript))

    def screen_opaque(self, direction: Direction) -> Screened:
        """Judge a body that cannot be read: nothing was scanned, and the record says so."""
        side = self._side(direction)
        if not side.active:
            return Screened()
        found = Screened(coverage=0.0)
        unscannable = self._kit.bundle.unscannable
        if unscannable != "allow" and any(rule.acts for rule in (*side.texts, *side.prompt)):
            found.action = unscannable
            found.rule = "unscannable" if unscannable == "block" else ""
        return found

    def stream_screen(self, masks: Masks | None = None) -> StreamScreen:
        """Return a fresh screen for one streamed answer."""
        return StreamScreen(self._streams, self._kit.now_ns, self._kit.bundle.response_scoring, masks)

    def clause_gate(self, screen: StreamScreen) -> ClauseGate | None:
        """Return who judges a stream by clause behind its screen; ``None`` when no rule asks for that."""
        if self.clauses is None:
            return None
        gate = ClauseGate(self.clauses, screen)
        screen.tell(gate)
        return gate

    async def ask(self, direction: Direction, dialect: Dialect, document: Any) -> Opinions:
        """Ask the detectors outside that must have spoken before a request or answer goes on."""
        side = self._side(direction)
        return await ask(side, side.asks, _segments(direction, dialect, document))

    async def observe(
        self, direction: Direction, dialect: Dialect, document: Any, *, request: Any = None, streamed: bool = False
    ) -> Screened:
        """Ask the others, and judge the rules that only observe; nothing is changed."""
        side = self._side(direction)
        segments = _segments(direction, dialect, document)
        names = tuple(name for name in self._kit.askers if any(name in rule.names for rule in side.late))
        opinions = await ask(side, names, segments, by_clause=streamed)
        subject = Subject(
            direction=direction, dialect=dialect.name, document=document, segments=segments, request=request
        )
        return DocumentScreen(side, subject, None, opinions).screen(Scope.LATE)[0]

    def beside(self, direction: Direction) -> tuple[Rule, ...]:
        """Return the rules on judges."""
        return self._beside[0 if direction == "request" else 1].late

    async def judge(
        self, direction: Direction, dialect: str, segments: Sequence[Segment], *, request: Any = None
    ) -> Screened:
        """Ask the judges about texts, beside the call that they are of."""
        side = self._beside[0 if direction == "request" else 1]
        names = tuple(name for name in self._kit.askers if any(name in rule.names for rule in side.late))
        opinions = await ask(side, names, segments)
        subject = Subject(direction=direction, dialect=dialect, document=None, segments=segments, request=request)
        return DocumentScreen(side, subject, None, opinions).screen(Scope.LATE)[0]

    def _answer(
        self, dialect: Dialect, document: Any, request: Any, opinions: Opinions | None, scope: Scope
    ) -> Screened:
        segments = list(dialect.answer_segments(document))
        subject = Subject(
            direction="response", dialect=dialect.name, document=document, segments=segments, request=request
        )
        side = self.response if scope is Scope.ALL else self._streamed
        screened, paths = DocumentScreen(side, subject, None, opinions).screen(scope)
        if screened.edited:
            screened.document = dialect.strip_repeats(screened.document, paths)
        return screened

    def _side(self, direction: Direction) -> Side:
        return self.request if direction == "request" else self.response


class StreamPlans:
    """The plans of a stream's channels, each kind's made once.

    Args:
        side: The rules of answers.
        kit: The bundle's detectors.
    """

    __slots__ = ("_kit", "_known", "_placed", "_side")

    def __init__(self, side: Side, kit: Kit) -> None:
        self._side = side
        self._kit = kit
        self._known: dict[tuple[str, str], StreamPlan] = {}
        # Exclusions that ask where a text stands make each channel's plan its own.
        self._placed = any(exempt.spec.field for rule in side.texts for exempt in rule.exempts)

    def of(self, channel: Channel) -> StreamPlan:
        """Return the plan of a channel."""
        name = channel[1].partition("/")[0]
        kind = name if name in _STREAM_KINDS else "leaf"
        tool = channel[2] if len(channel) > 2 else ""
        key = (kind, tool)
        known = None if self._placed else self._known.get(key)
        if known is None:
            screening = self._side.screening("assistant", kind, tool)
            shown = f"choices[{channel[0]}].{channel[1]}"
            known = StreamPlan(screening, self._kit.bundle.response_scoring, shown)
            if not self._placed:
                if len(self._known) >= _MAX_STREAM_PLANS:
                    del self._known[next(iter(self._known))]
                self._known[key] = known
        return known


def _segments(direction: Direction, dialect: Dialect, document: Any) -> Sequence[Segment]:
    return list(dialect.segments(document) if direction == "request" else dialect.answer_segments(document))
