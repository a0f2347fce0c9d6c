"""Which answers may be given again, to whom, and for how long: the values of the section ``cache``."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

Scope = Literal["tenant", "team", "key"]
SemanticMode = Literal["off", "shadow", "enforce"]
AnswerGuard = Literal[
    "numbers", "units", "dates", "names", "negation", "comparatives", "direction", "quantities", "modality", "tense",
    "person", "asked", "code", "quotes",
]  # fmt: skip
ANSWER_GUARDS: tuple[AnswerGuard, ...] = get_args(AnswerGuard)


class ExactRule(msgspec.Struct, frozen=True, kw_only=True):
    """When the very same question gets the answer that was given before.

    Attributes:
        ttl_s: How long an answer is one.
        scope: Who shares answers: callers of one tenant, of one team there, or of one key.
        max_temperature: Answers to requests with a higher one are not kept, nor looked for; 1 is what a request has
            that names none. ``None`` for any.
        seed: Whether requests that name a seed are kept (``any``), are the only ones (``only``), or are not
            (``never``). One with a seed wants the same answer again, so its temperature does not matter.
        max_bytes: A larger answer is not kept.
        wait_s: How long a call waits for the answer that another has asked for already; 0 for not at all.
    """

    ttl_s: float = 3600.0
    scope: Scope = "team"
    max_temperature: float | None = None
    seed: Literal["any", "only", "never"] = "any"
    max_bytes: int = 1 << 20
    wait_s: float = 30.0


class SemanticRule(msgspec.Struct, frozen=True, kw_only=True):
    """When a question that is like one before it gets that one's answer.

    Attributes:
        mode: ``shadow`` records what would have been served, and serves nothing.
        threshold: How sure it must be that an answer serves, before anything is learnt of those that were served.
        ttl_s: How long an answer is one to other questions.
        scope: Who shares answers; see :class:`ExactRule`.
        answer_guards: What must agree in both questions.
        max_error: The share of served answers that may be wrong.
        compare_sample: The share of hits that are asked upstream as well.
        compare_agree: The least cosine of two answers that say the same.
    """

    mode: SemanticMode = "enforce"
    threshold: float = 0.95
    ttl_s: float = 86_400.0
    scope: Scope = "team"
    answer_guards: tuple[AnswerGuard, ...] = ANSWER_GUARDS
    max_error: float = 0.01
    compare_sample: float = 0.1
    compare_agree: float = 0.85


class StoreRule(msgspec.Struct, frozen=True, kw_only=True):
    """How much the store of answers may hold, and how long it may take to say what it has.

    Attributes:
        kind: ``memory`` of each worker; ``home``: in its files, over restarts.
        max_bytes: Of all entries of a worker.
        max_entries: The most entries of a worker.
        timeout_s: A store that has not said anything for so long has nothing.
    """

    kind: Literal["memory", "home", "redis"] = "memory"
    max_bytes: int = 256 << 20
    max_entries: int = 100_000
    timeout_s: float = 0.05


class CacheRules(msgspec.Struct, frozen=True, kw_only=True):
    """The whole section.

    Attributes:
        exact: The very same question.
        semantic: Questions that are alike; ``None`` for never.
        store: Where answers are.
        without: Aliases whose answers are never kept.
    """

    exact: ExactRule = ExactRule()
    semantic: SemanticRule | None = None
    store: StoreRule = StoreRule()
    without: frozenset[str] = frozenset()
