"""The section ``cache``: which answers are given again. Without ``exact`` or ``semantic``, none is."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.config.redis import parse_redis
from gateway.config.routing import ModelSpec
from gateway.config.units import parse_bytes, parse_duration, parse_percent
from gateway.config.validation import Many, Strict
from gateway.core.cache_rules import (
    ANSWER_GUARDS,
    AnswerGuard,
    CacheRules,
    ExactRule,
    Scope,
    SemanticMode,
    SemanticRule,
    StoreRule,
)

# What embeds questions needs these, whatever runs the model.
_NEEDED = ("numpy", "tokenizers")
_TEXT = {"type": "string"}
_Ttl = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(ge=1, le=90 * 86_400),
    WithJsonSchema({**_TEXT, "examples": ["10m", "1h", "7d"]}),
]
_Seconds = Annotated[
    float, BeforeValidator(parse_duration), Field(ge=0, le=600), WithJsonSchema({**_TEXT, "examples": ["0s", "30s"]})
]
_Brief = Annotated[
    float, BeforeValidator(parse_duration), Field(gt=0, le=10), WithJsonSchema({**_TEXT, "examples": ["50ms"]})
]
_Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    Field(gt=0),
    WithJsonSchema({"type": ["integer", "string"], "examples": ["256MiB"]}),
]
_Share = Annotated[
    float, BeforeValidator(parse_percent), Field(gt=0, le=1), WithJsonSchema({**_TEXT, "examples": ["1%"]})
]
_Cosine = Annotated[float, Field(gt=0, le=1)]


def _switched(value: object) -> object:
    """``true`` is the section with nothing else in it, ``false`` one that is off."""
    return {"enabled": value} if isinstance(value, bool) else value


class ExactSpec(Strict):
    """When the very same question gets the answer that was given before."""

    enabled: bool = True
    ttl_s: _Ttl = Field(3600.0, validation_alias="ttl")
    scope: Scope = "team"
    max_temperature: Annotated[float, Field(ge=0, le=2, strict=False)] | None = None
    seed: Literal["any", "only", "never"] = "any"
    max_bytes: _Bytes = 1 << 20
    wait_s: _Seconds = Field(30.0, validation_alias="wait")


class CompareSpec(Strict):
    """How served answers are checked: some are asked for as well, and the two compared."""

    sample: _Share = 0.1
    agree: _Cosine = 0.85


class SemanticSpec(Strict):
    """When a question that is like one before it gets that one's answer."""

    enabled: bool = False
    mode: SemanticMode = "enforce"
    threshold: _Cosine = 0.95
    ttl_s: _Ttl = Field(86_400.0, validation_alias="ttl")
    scope: Scope = "team"
    answer_guards: Many[AnswerGuard] = ANSWER_GUARDS
    max_error: _Share = 0.01
    compare: CompareSpec


def _semantic(spec: SemanticSpec) -> SemanticSpec:
    missing = [name for name in _NEEDED if find_spec(name) is None] if spec.enabled and spec.mode != "off" else []
    if missing:
        raise ValueError(f"it asks a model, which needs {', '.join(missing)}: pip install 'weighbridge[models,cache]'")
    return spec


def _store(url: str) -> str:
    if url.startswith(("redis://", "rediss://")):
        parse_redis(url)
    elif url not in {"memory", "home"}:
        raise ValueError("should be memory, home or redis://host:port/0")
    return url


class CacheSpec(Strict):
    """Answers used again."""

    exact: Annotated[ExactSpec, BeforeValidator(_switched, json_schema_input_type=ExactSpec | bool)] | None = None
    semantic: (
        Annotated[
            SemanticSpec,
            BeforeValidator(_switched, json_schema_input_type=SemanticSpec | bool),
            AfterValidator(_semantic),
        ]
        | None
    ) = None
    store: Annotated[str, AfterValidator(_store)] | None = None
    max_bytes: _Bytes = 256 << 20
    max_entries: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    timeout_s: _Brief = Field(0.05, validation_alias="timeout")

    @property
    def redis(self) -> str | None:
        """Where Redis is, if answers are kept there."""
        return self.store if self.store not in {None, "memory", "home"} else None

    @property
    def looks_alike(self) -> bool:
        """Whether questions that are alike are looked for."""
        return self.semantic is not None and self.semantic.enabled and self.semantic.mode != "off"

    @model_validator(mode="after")
    def _semantic_needs_exact(self) -> CacheSpec:
        if self.looks_alike and self.exact is not None and not self.exact.enabled:
            raise ValueError("semantic answers build on exact ones: exact may not be off")
        if self.looks_alike and self.store == "memory":
            raise ValueError("semantic answers need a store that finds neighbours: home, or redis://host:port/0")
        return self


def cache_rules(spec: CacheSpec, models: Iterable[ModelSpec]) -> CacheRules | None:
    """Give the rules of the section; ``None`` where no answer is given again."""
    exact, semantic = spec.exact, spec.semantic
    if exact is None and spec.looks_alike:
        exact = ExactSpec.model_validate({})
    if exact is None or not exact.enabled:
        return None
    return CacheRules(
        exact=ExactRule(
            ttl_s=exact.ttl_s,
            scope=exact.scope,
            max_temperature=exact.max_temperature,
            seed=exact.seed,
            max_bytes=exact.max_bytes,
            wait_s=exact.wait_s,
        ),
        semantic=None if semantic is None or not semantic.enabled else _semantic_rule(semantic),
        store=StoreRule(
            kind=_kind(spec),
            max_bytes=spec.max_bytes,
            max_entries=spec.max_entries,
            timeout_s=spec.timeout_s,
        ),
        without=frozenset(model.alias for model in models if not model.cache),
    )


def _kind(spec: CacheSpec) -> Literal["memory", "home", "redis"]:
    if spec.redis is not None:
        return "redis"
    # Only a store that finds neighbours will do where these are looked for.
    return "home" if spec.store == "home" or (spec.store is None and spec.looks_alike) else "memory"


def _semantic_rule(spec: SemanticSpec) -> SemanticRule:
    return SemanticRule(
        mode=spec.mode,
        threshold=spec.threshold,
        ttl_s=spec.ttl_s,
        scope=spec.scope,
        answer_guards=spec.answer_guards,
        max_error=spec.max_error,
        compare_sample=spec.compare.sample,
        compare_agree=spec.compare.agree,
    )
