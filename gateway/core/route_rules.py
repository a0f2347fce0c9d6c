"""Which requests a candidate is for, and how callers are shared out over the arms of a split."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway.core.verdict import ANY, Globs

StickyBy = Literal["key", "team", "tenant", "session", "user"]
STABLE, CANARY = "stable", "canary"


class Between(msgspec.Struct, frozen=True):
    """A range of numbers, ends included; ``None`` for no end."""

    least: float | None = None
    most: float | None = None

    def holds(self, value: float | None) -> bool:
        """Whether a number lies in it; one that nobody knows lies in none."""
        return (
            value is not None
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
        )


class RouteMatch(msgspec.Struct, frozen=True, kw_only=True):
    """What a request must be like; the default of each is anything. What costs least to find out comes first.

    Attributes:
        stream: A stream is asked for, or not.
        tainted: The session is tainted, or the rules of this request taint it.
        model, route, dialect: As the client wrote them: its model name, the path's template, its dialect.
        key, team, tenant, session: Who calls.
        tag: ``name=value`` globs; one of the call's tags must match.
        verdict: What rules made of the request: allow, annotate, edit.
        score: Sum of the points that rules gave it.
        max_output_tokens: As the client asked; one who asked for none is in no range.
        user: The caller's own user, as the body names it.
        tools: Tools are offered, or not.
        tool: Name of one of them.
        media: Kinds of media in it: image, audio, document, video.
        json: The answer must be JSON, or need not.
        input_tokens: Estimated by size.
        chars: Characters of all its text.
        turns: Messages of the conversation, instructions not counted.
        language: Of the last text that the user wrote, ISO 639-1; empty where it cannot be told.
    """

    stream: bool | None = None
    tainted: bool | None = None
    model: Globs = ANY
    route: Globs = ANY
    dialect: Globs = ANY
    key: Globs = ANY
    team: Globs = ANY
    tenant: Globs = ANY
    session: Globs = ANY
    tag: Globs = ANY
    verdict: Globs = ANY
    score: Between | None = None
    max_output_tokens: Between | None = None
    user: Globs = ANY
    tools: bool | None = None
    tool: Globs = ANY
    media: Globs = ANY
    json: bool | None = None
    input_tokens: Between | None = None
    chars: Between | None = None
    turns: Between | None = None
    language: Globs = ANY


# One of these must hold; none at all is every request.
RouteWhen = tuple[RouteMatch, ...]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Callers are shared out over arms; whoever has one keeps it.

    Attributes:
        name: On every record, and what the lot is drawn with: another name is another draw.
        arms: Their names and shares, 0 to 1, which add up to 1.
        sticky_by: Whose arm it is. A call that names nobody gets an arm by chance, for itself.
    """

    name: str
    arms: tuple[tuple[str, float], ...]
    sticky_by: StickyBy = "key"
