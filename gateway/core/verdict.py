"""Rules as guards apply them: the compiled form of a policy bundle, and what comes of applying it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from gateway.core.capture import Bodies
from gateway.core.record import GuardEvent
from gateway.core.segments import Direction

# Weakest first.
Action = Literal[
    "allow", "annotate", "capture", "taint", "score", "route", "rewrite", "mask", "redact", "hold", "block"
]
Mode = Literal["audit", "shadow", "canary", "enforce"]
OnError = Literal["block", "allow", "annotate", "rules_only"]


class PatternSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One expression of a detector.

    Attributes:
        name: Stable name inside the detector, e.g. ``AWS_KEY``.
        expression: Hyperscan/PCRE syntax, flags inline (``(?i)``).
        label: What replaces a redacted match, without brackets.
        validator: Name of a check that a candidate must also pass, or empty.
        max_chars: Longest match in code points; a stream holds back at most this much.
        opens: The expression opens a secret without a finite length, which :attr:`closes` ends (PEM).
        closes: Literal that ends such a secret.
        context: Lower-case words of which one must stand shortly before a match; none means that it needs none.
        allow: Globs; what matches one as a whole is not reported (documented samples).
        score: How sure a match is, 0 to 1; ``None`` for one that is certain.
        entropy: Bits that each character of a match must be worth on average; 0 for a check that asks for none.
    """

    name: str
    expression: str
    label: str
    validator: str = ""
    max_chars: int = 256
    opens: bool = False
    closes: str = ""
    context: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    score: float | None = None
    entropy: float = 0.0


class DetectorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A named detector of a bundle.

    Attributes:
        name: As rules call it.
        use: What kind it is: secrets, pii, pattern, injection, url_egress, …
        patterns: The expressions that make it up, when it is one that runs in the common database.
        options: Everything else that its kind takes, checked by the policy room; keys as written in the file, lists
            already looked up.
        on_error: What holds when it cannot judge.
        timeout_s: How long it may take; 0 for what does not wait for anybody.
        min_score: Findings below do not count.
    """

    name: str
    use: str
    patterns: tuple[PatternSpec, ...] = ()
    options: dict[str, Any] = {}
    on_error: OnError = "block"
    timeout_s: float = 0.0
    min_score: float = 0.0


class When(msgspec.Struct, frozen=True, kw_only=True):
    """A boolean expression over detectors: ``any``/``all``/``not`` of parts, or one detector's name."""

    op: Literal["detector", "any", "all", "not"]
    name: str = ""
    parts: tuple[When, ...] = ()


class Globs(msgspec.Struct, frozen=True, kw_only=True):
    """Which values are meant: one of ``include`` (none means all), and none of ``exclude``."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


ANY = Globs()


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule applies; the default of each is everywhere.

    Attributes:
        direction: Request or response.
        role: Of who wrote the text.
        kind: Of the text: text, reasoning, tool_argument, …
        tool: Name of the tool that a result came from or arguments are for.
        route: The path's template.
        model: As the client wrote it.
        provider: Who will answer.
        key: The caller's key id.
        team: The caller's.
        tag: ``name=value`` globs; a call matches when one of its tags does.
        stream: The client asked for a stream, or did not; ``None`` for both.
        tainted: The session is tainted, or is not; ``None`` for both.
    """

    direction: tuple[Direction, ...] = ()
    role: Globs = ANY
    kind: Globs = ANY
    tool: Globs = ANY
    route: Globs = ANY
    model: Globs = ANY
    provider: Globs = ANY
    key: Globs = ANY
    team: Globs = ANY
    tag: Globs = ANY
    stream: bool | None = None
    tainted: bool | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a rule does.

    Attributes:
        action: Which.
        score: Points, for ``score``.
        route: The alias, for ``route``.
        rewrite: ``text_only`` (what the detector offers in place of a finding) or ``remove``; for ``rewrite``.
        restore_in: Kinds of text in which a masked value comes back: ``assistant_text``, ``reasoning``,
            ``tool_args:NAME-GLOB``; for ``mask``.
        taint: What is tainted, for ``taint``.
        capture: What is kept of the call's bodies, for ``capture``.
    """

    action: Action
    score: float = 0.0
    route: str = ""
    rewrite: Literal["", "text_only", "remove"] = ""
    restore_in: tuple[str, ...] = ()
    taint: Literal["", "session"] = ""
    capture: Literal["", "none"] = ""


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """A share of callers for whom a rule acts.

    Attributes:
        share: 0 to 1.
        sticky_by: Whose choice it is: the same one is always in or always out.
        rest: The mode for the others.
    """

    share: float
    sticky_by: Literal["key", "team", "tenant", "session"] = "key"
    rest: Literal["audit", "shadow"] = "audit"


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule does not apply, for a while.

    Attributes:
        id: Its name.
        match: Where; as of a rule.
        detector: Only findings of this detector; empty for all.
        field: Glob over the shown path (``messages[*].name``); empty for all.
        expires_unix_s: From then on it does not count.
    """

    id: str
    match: Match
    detector: str = ""
    field: str = ""
    expires_unix_s: int = 0


class RuleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One compiled rule.

    Attributes:
        id: Unique in the bundle.
        match: Where it applies.
        when: What sets it off.
        steps: What it does, strongest first.
        mode: How seriously.
        canary: For that mode.
        exclusions: Exceptions to it.
    """

    id: str
    match: Match
    when: When
    steps: tuple[Step, ...]
    mode: Mode
    canary: Canary | None = None
    exclusions: tuple[Exclusion, ...] = ()

    @property
    def action(self) -> Action:
        """The strongest thing it does."""
        return self.steps[0].action


class CaptureRule(msgspec.Struct, frozen=True, kw_only=True):
    """How much is kept of the bodies of some calls.

    Attributes:
        match: Which; only what is known before a text is looked at.
        bodies: How much.
    """

    match: Match
    bodies: Bodies


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of points from which on a request or answer is annotated or blocked; ``None`` for never."""

    annotate: float | None = None
    block: float | None = None


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A checked policy bundle, ready for guards.

    Attributes:
        revision: Digest of the sources, 12 hexadecimal digits; on every record and answer.
        detectors: In order of priority.
        rules: In the order of the files.
        request_scoring: Thresholds for requests.
        response_scoring: Thresholds for answers.
        max_chars: Longer texts are not given to detectors that judge a text as a whole, and count as their error; 0 for
            no bound. Patterns take texts of any length.
        unscannable: What holds for a body that nobody here can read: forms, audio, files.
        captures: What is kept of whose bodies.
    """

    revision: str
    detectors: tuple[DetectorSpec, ...] = ()
    rules: tuple[RuleSpec, ...] = ()
    request_scoring: Thresholds = Thresholds()
    response_scoring: Thresholds = Thresholds()
    max_chars: int = 0
    unscannable: Literal["block", "allow", "annotate"] = "allow"
    captures: tuple[CaptureRule, ...] = ()


class CallFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What rules may ask of an exchange before its texts are looked at. Empty where nobody says."""

    route: str = ""
    model: str = ""
    provider: str = ""
    key: str = ""
    team: str = ""
    tenant: str = ""
    session: str = ""
    tags: dict[str, str] = {}
    stream: bool = False
    tainted: bool = False
    # The client asked for every rule to act, whatever its mode.
    strict: bool = False


class Masked(msgspec.Struct, frozen=True):
    """A value that a placeholder stands for in one call, and the kinds of text in which it comes back."""

    value: str
    restore_in: tuple[str, ...] = ()


class Screened(msgspec.Struct, kw_only=True):
    """What guards made of a whole document.

    Attributes:
        action: The strongest action taken in enforce mode.
        document: The document, edited where a rule said so; the same object when nothing was edited.
        edited: Something was edited.
        rule: The rule that blocked, else empty.
        route: The alias that a rule sends the call to, else empty.
        taint: A rule taints the session.
        events: Every hit, audit ones included.
        coverage: Segments scanned over segments present.
        score: Sum of the points of rules that act.
        masks: By placeholder, what was masked; kept for this call alone, for the way back.
    """

    action: Action = "allow"
    document: Any = None
    edited: bool = False
    rule: str = ""
    route: str = ""
    taint: bool = False
    events: list[GuardEvent] = []
    coverage: float = 1.0
    score: float = 0.0
    masks: dict[str, Masked] = {}
