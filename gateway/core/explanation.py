"""Why a verdict is what it is: every detector's work and every rule's judgement over one request or answer.

Nothing here holds a word of the text; findings are told by kind and place.
"""

from __future__ import annotations

import msgspec

from gateway.core.segments import Direction, Kind
from gateway.core.verdict import Action, Mode


class FindingShown(msgspec.Struct, frozen=True, kw_only=True):
    """One finding.

    Attributes:
        kind: In the detector's own terms.
        start: First code point in the text.
        end: Code point after the last.
        score: How sure the detector is; ``None`` where it does not weigh.
        view: The view in which it showed; empty for the text as it stands.
        path: Where in the document, for findings about a whole request or answer.
        counted: It is sure enough for the bundle (``min_score``).
        advisory: It is recorded and sets nothing off.
    """

    kind: str
    start: int = 0
    end: int = 0
    score: float | None = None
    view: str = ""
    path: str = ""
    counted: bool = True
    advisory: bool = False


class DetectorShown(msgspec.Struct, frozen=True, kw_only=True):
    """What one detector did with one text, or with a whole request or answer.

    Attributes:
        name: As rules call it.
        use: What kind it is.
        form: pattern, piece, text, call or outside.
        microseconds: How long it took; of patterns, the checks on candidates alone: all of them share one scan.
        findings: What it found.
        views: The views of the text that it read, as far as it tells.
        error: Why it could not judge; empty when it could.
        on_error: What the bundle makes of that.
    """

    name: str
    use: str
    form: str
    microseconds: float
    findings: tuple[FindingShown, ...] = ()
    views: tuple[str, ...] = ()
    error: str = ""
    on_error: str = ""


class RuleShown(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule judged.

    Attributes:
        id: The rule's.
        mode: As the policy has it.
        acts: It acts on this call: enforce, a canary's share, or a client that asked for strictness.
        fired: It holds.
        why_not: Why it does not apply or hold: ``direction``, ``role``, … for a part of its match, ``when`` for its
            expression, ``excluded`` when exclusions took what would have set it off; empty when it fired.
        excluded_by: Exclusions that took a finding from it.
        detectors: The detectors whose findings speak for it.
        steps: What it does, or would do.
    """

    id: str
    mode: Mode
    acts: bool
    fired: bool
    why_not: str = ""
    excluded_by: tuple[str, ...] = ()
    detectors: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


class SegmentShown(msgspec.Struct, frozen=True, kw_only=True):
    """One text, what was found in it and which rules that sets off."""

    path: str
    role: str
    kind: Kind
    tool: str
    chars: int
    scan_microseconds: float
    detectors: tuple[DetectorShown, ...] = ()
    rules: tuple[RuleShown, ...] = ()


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one verdict.

    Attributes:
        direction: Request or response.
        revision: The bundle's.
        segments: Every text, in order.
        detectors: Those that judge the whole.
        rules: Those that are judged once for the whole.
        unmatched: Rules that do not apply to this call at all, with the part of their match that says so.
        action: The strongest action taken.
        rule: The rule that blocks, else empty.
        route: The alias that a rule sends the call to, else empty.
        taint: The session is tainted.
        score: Sum of points.
        annotate_at: From this sum on it is annotated; ``None`` for never.
        block_at: From this sum on it is blocked; ``None`` for never.
        coverage: Texts scanned over texts present.
        microseconds: All of it.
    """

    direction: Direction
    revision: str
    segments: tuple[SegmentShown, ...]
    detectors: tuple[DetectorShown, ...]
    rules: tuple[RuleShown, ...]
    unmatched: tuple[RuleShown, ...]
    action: Action
    rule: str
    route: str
    taint: bool
    score: float
    annotate_at: float | None
    block_at: float | None
    coverage: float
    microseconds: float
