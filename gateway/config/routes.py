"""From the section ``models`` to settings: candidates and fallbacks put in order, policies with their defaults."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from gateway.config.route_when import compiled
from gateway.config.routing import CandidateSpec, HedgeSpec, MirrorSpec, ModelSpec, ProbeSpec
from gateway.config.settings import CLIENTS_NAME, ModelEntry
from gateway.config.validation import Strict
from gateway.core.exchange import (
    BreakerRule,
    ContinueRule,
    HedgeRule,
    MirrorRule,
    OutlierRule,
    ProbeRule,
    QueueRule,
    RoutePolicy,
    Timeouts,
)
from gateway.core.route_rules import CANARY, STABLE, Split

RuleT = TypeVar("RuleT", bound=msgspec.Struct)


def model_entries(
    spec: ModelSpec, providers: Collection[str], aliases: Mapping[str, ModelSpec]
) -> Iterator[ModelEntry]:
    """Give who serves an alias: its candidates, then what steps in for them.

    Args:
        spec: The alias.
        providers: Names of the configuration's providers.
        aliases: All aliases; a fallback may be one of them.
    """
    apart = any(candidate.canary is not None for candidate in spec.candidates)
    for candidate in spec.candidates:
        arm = candidate.arm or ""
        if apart:
            arm = STABLE if candidate.canary is None else CANARY
        yield msgspec.structs.replace(_entry(spec, candidate), arm=arm)
    for name in spec.fallback:
        for candidate in fallback_candidates(name, providers, aliases):
            yield msgspec.structs.replace(_entry(spec, candidate), fallback=True)


def mirror_entries(specs: Iterable[ModelSpec]) -> tuple[ModelEntry, ...]:
    """Give who gets copies of calls, for the aliases that want that."""
    return tuple(_mirror_entry(spec, spec.mirror) for spec in specs if spec.mirror is not None)


def _mirror_entry(spec: ModelSpec, mirror: MirrorSpec) -> ModelEntry:
    entry, most = _entry(spec, mirror_candidate(mirror)), mirror.timeout_s
    within = Timeouts(**{name: min(getattr(entry.timeouts, name), most) for name in Timeouts.__struct_fields__})
    return msgspec.structs.replace(entry, timeouts=within)


def mirror_candidate(mirror: MirrorSpec) -> CandidateSpec:
    """Give who gets the copies."""
    provider, _, model = mirror.to.partition("/")
    return CandidateSpec.model_validate({"provider": provider, "model": model})


def fallback_candidates(
    name: str, providers: Collection[str], aliases: Mapping[str, ModelSpec]
) -> tuple[CandidateSpec, ...]:
    """Give who a fallback names: ``provider/model``, or the candidates of an alias; empty when it is neither."""
    if name in aliases:
        return tuple(_named(each, name) for each in aliases[name].candidates)
    provider, slash, model = name.partition("/")
    if slash and model and provider in providers:
        return (CandidateSpec.model_validate({"provider": provider, "model": model}),)
    return ()


def route_policies(specs: Iterable[ModelSpec]) -> dict[str, RoutePolicy]:
    """Give how the calls of each alias are spread and tried again.

    An alias with one deployment about which nothing more is said has no policy: its calls are tried once.
    """
    return {spec.alias: _policy(spec) for spec in specs if _has_policy(spec)}


def _has_policy(spec: ModelSpec) -> bool:
    asks = any(candidate.concurrency is not None or candidate.when for candidate in spec.candidates)
    several = len(spec.candidates) > 1 or bool(spec.fallback)
    said = (spec.retry, spec.breaker, spec.queue, spec.outlier, spec.probe, spec.continues, spec.hedge, spec.mirror)
    return several or asks or any(each is not None for each in said)


def _policy(spec: ModelSpec) -> RoutePolicy:
    usual = RoutePolicy()
    return RoutePolicy(
        strategy=spec.strategy or usual.strategy,
        retries=usual.retries if spec.retry is None else spec.retry.attempts,
        retry_on=usual.retry_on if spec.retry is None else frozenset(spec.retry.on),
        breaker=_rule(BreakerRule, spec.breaker),
        queue=_rule(QueueRule, spec.queue),
        outlier=_rule(OutlierRule, spec.outlier),
        split=_split(spec),
        continues=None if spec.continues is None else _rule(ContinueRule, spec.continues),
        probe=None if spec.probe is None else _probe(spec.probe),
        hedge=None if spec.hedge is None else _hedge(spec.hedge),
        mirror=None if spec.mirror is None else _rule(MirrorRule, spec.mirror),
    )


def _probe(spec: ProbeSpec) -> ProbeRule:
    return ProbeRule(
        every_s=spec.every_s,
        timeout_s=spec.timeout_s,
        max_tokens=spec.max_tokens,
        max_nanousd_per_day=round(spec.max_cost_usd_per_day * 1e9),
        max_unpriced_per_day=spec.max_unpriced_per_day,
    )


def _split(spec: ModelSpec) -> Split | None:
    if spec.split is not None:
        told = spec.split
        return Split(name=told.name or spec.alias, arms=tuple(told.arms.items()), sticky_by=told.sticky_by)
    for candidate in spec.candidates:
        if (canary := candidate.canary) is not None:
            # The canary comes last: it grows into the stable share, and keeps whom it has.
            arms = ((STABLE, 1.0 - canary.share), (CANARY, canary.share))
            return Split(name=spec.alias, arms=arms, sticky_by=canary.sticky_by)
    return None


def _rule(kind: type[RuleT], spec: Strict | None) -> RuleT:
    """Make a rule of a section that has its names, or the usual one where there is no such section."""
    return kind() if spec is None else kind(**{name: getattr(spec, name) for name in kind.__struct_fields__})


def _hedge(spec: HedgeSpec) -> HedgeRule:
    after = spec.after
    return HedgeRule(after_s=after.seconds, quantile=after.quantile, max_extra_cost=spec.max_extra_cost)


def _entry(spec: ModelSpec, candidate: CandidateSpec) -> ModelEntry:
    timers = spec.timeouts
    timeouts = Timeouts(
        connect_s=timers.connect_s, first_token_s=timers.first_token_s, idle_s=timers.idle_s, total_s=timers.total_s
    )
    return ModelEntry(
        alias=spec.alias,
        provider=candidate.provider,
        model=candidate.model,
        timeouts=timeouts,
        on_unsupported=spec.on_unsupported,
        weight=candidate.weight,
        max_concurrency=candidate.concurrency or 0,
        context_window=candidate.context_window or 0,
        when=compiled(candidate.when),
    )


def _named(candidate: CandidateSpec, alias: str) -> CandidateSpec:
    """A candidate that passes names on gets the name of its own alias, not what the client wrote."""
    if candidate.model != CLIENTS_NAME:
        return candidate
    return candidate.model_copy(update={"model": alias})
