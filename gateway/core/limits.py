"""A limit, as people write it: who it is for, and how much each of them may take."""

from __future__ import annotations

from typing import Literal

import msgspec

Scope = Literal["key", "team", "tenant", "model", "provider"]


class LimitRule(msgspec.Struct, frozen=True, kw_only=True):
    """How much each key, team, tenant, model or provider may take.

    Attributes:
        scope: Each different value of this has an allowance of its own.
        match: Globs by scope name; a call must match one of each entry. Empty matches every call.
        requests: At most this many calls in any stretch of that many seconds.
        tokens: At most this many tokens in any stretch of that many seconds.
        concurrency: At most this many calls at once.
    """

    scope: Scope
    match: dict[str, tuple[str, ...]] = {}
    requests: tuple[int, float] | None = None
    tokens: tuple[int, float] | None = None
    concurrency: int | None = None
