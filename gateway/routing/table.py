"""The table: which deployments serve a model name. Pure and memoised; it knows no health and no load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

import msgspec

from gateway.core.errors import ModelNotFound, RouteNotFound
from gateway.core.exchange import Deployment, RoutePlan, RoutePolicy
from gateway.core.placeholders import MODEL, Stars, filled, used
from gateway.core.route_rules import RouteWhen

# Longer names are served, but neither remembered nor repeated in an error.
_MAX_SHOWN_CHARS = 200
_GLOB_CHARS = frozenset("*?[")


class RouteEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the routing table. Several lines with one alias are its candidates, in order.

    Attributes:
        alias: A model name as clients send it, or a glob over such names.
        deployment: Who serves it; ``{model}`` in its model stands for the name the client sent, ``{star}`` for what the
            alias' ``*`` stands for.
        weight: Of the calls, where these are spread by weights.
        fallback: It steps in only when none of the others can.
        when: Which requests it is for.
        arm: Of the alias' split; empty for all of them.
    """

    alias: str
    deployment: Deployment
    weight: int = 1
    fallback: bool = False
    when: RouteWhen = ()
    arm: str = ""


class _Line(msgspec.Struct, frozen=True):
    """All that the table says of one alias; ``stars`` where its models name what a ``*`` stands for."""

    deployments: tuple[Deployment, ...]
    weights: tuple[int, ...]
    main: int
    policy: RoutePolicy | None
    whens: tuple[RouteWhen, ...] = ()
    arms: tuple[str, ...] = ()
    stars: Stars | None = None
    mirror: Deployment | None = None


class Router:
    """Finds the deployments for a model name.

    The first of these that fits: the alias itself; the glob with the most literal characters; ``provider/name`` for a
    provider of the configuration; the alias ``*``.

    Args:
        models: The routing table.
        providers: For each provider, the deployment that passes calls through and keeps the client's model name.
        policies: How the calls of an alias are spread; where there is none, its first deployment serves them.
        mirrors: For each alias, who gets copies of its calls.
        memo_size: How many plans are remembered. Clients choose the names, so this bounds what they can make us keep.
        windows: Gives a deployment's context window, where the table does not have it; 0 where nobody knows.
    """

    def __init__(
        self,
        models: tuple[RouteEntry, ...],
        providers: Mapping[str, Deployment] | None = None,
        policies: Mapping[str, RoutePolicy] | None = None,
        mirrors: Mapping[str, Deployment] | None = None,
        memo_size: int = 4096,
        windows: Callable[[Deployment], int] = lambda _deployment: 0,
    ) -> None:
        self._exact: dict[str, _Line] = {}
        globs: dict[str, _Line] = {}
        entries: dict[str, list[RouteEntry]] = {}
        for entry in models:
            entries.setdefault(entry.alias, []).append(entry)
        for alias, each in entries.items():
            table = globs if _GLOB_CHARS.intersection(alias) else self._exact
            line = table[alias] = _line(each, (policies or {}).get(alias), (mirrors or {}).get(alias))
            named = [*line.deployments, *([] if line.mirror is None else [line.mirror])]
            if table is globs and any(set(used(one.model)) - {MODEL} for one in named):
                table[alias] = msgspec.structs.replace(line, stars=Stars(alias))
        self._rest = globs.pop("*", None)
        self._globs = sorted(globs.items(), key=lambda item: _specificity(item[0]), reverse=True)
        self._passthrough = {
            name: RoutePlan(alias="", candidates=(deployment,)) for name, deployment in (providers or {}).items()
        }
        self._memo: dict[str, RoutePlan] = {}
        self._memo_size = memo_size
        self._windows = windows

    def plan(self, model: str, provider: str = "") -> RoutePlan:
        """Choose the deployments to try.

        Args:
            model: As the client wrote it; empty for calls that name none.
            provider: The provider named in the path, else empty.

        Raises:
            ModelNotFound: No line of the table and no provider serves this name.
            RouteNotFound: There is no such provider.
        """
        if provider:
            through = self._passthrough.get(provider)
            if through is None:
                raise RouteNotFound(f"No provider is named '{provider[:_MAX_SHOWN_CHARS]}'.")
            return through
        plan = self._memo.get(model)
        return self._find(model) if plan is None else plan

    def names(self) -> tuple[str, ...]:
        """The aliases that name one model each, in the order of the table; for ``/v1/models``."""
        return tuple(self._exact)

    def _find(self, model: str) -> RoutePlan:
        alias, line, values = self._match(model)
        candidates = tuple(_filled(deployment, values) for deployment in line.deployments)
        if len(candidates) > 1:
            candidates = tuple(self._sized(each) for each in candidates)
        plan = RoutePlan(
            alias=alias,
            candidates=candidates,
            weights=line.weights,
            whens=line.whens,
            arms=line.arms,
            main=line.main,
            policy=line.policy,
            mirror=None if line.mirror is None else _filled(line.mirror, values),
        )
        if len(model) <= _MAX_SHOWN_CHARS:
            if len(self._memo) >= self._memo_size:
                # The oldest goes, even when it is in use: finding it again costs microseconds, and a look-up stays one
                # dictionary access.
                del self._memo[next(iter(self._memo))]
            self._memo[model] = plan
        return plan

    def _sized(self, deployment: Deployment) -> Deployment:
        if deployment.context_window or not (window := self._windows(deployment)):
            return deployment
        return msgspec.structs.replace(deployment, context_window=window)

    def _match(self, model: str) -> tuple[str, _Line, dict[str, str]]:
        """Find the alias, what it says, and what the placeholders of its models stand for."""
        found = self._exact.get(model)
        if found is not None:
            return model, found, {MODEL: model}
        if len(model) <= _MAX_SHOWN_CHARS:
            # Globs are not tried on longer names: no model is called that, and the time they take grows with the name.
            for pattern, line in self._globs:
                if fnmatchcase(model, pattern) and (stars := _stars(line, model)) is not None:
                    return pattern, line, {MODEL: model, **stars}
        prefix, slash, name = model.partition("/")
        if slash and name and prefix in self._passthrough:
            deployment = self._passthrough[prefix].candidates[0]
            line = _Line((msgspec.structs.replace(deployment, model=MODEL),), (1,), 1, None)
            return f"{prefix}/*", line, {MODEL: name}
        if self._rest is not None and (stars := _stars(self._rest, model)) is not None:
            return "*", self._rest, {MODEL: model, **stars}
        if not model:
            raise ModelNotFound("The request names no model.", param="model")
        raise ModelNotFound(f"The model '{model[:_MAX_SHOWN_CHARS]}' does not exist.", param="model")


def _line(entries: list[RouteEntry], policy: RoutePolicy | None, mirror: Deployment | None) -> _Line:
    """Put the candidates of an alias together, those that only step in at the end."""
    entries = sorted(entries, key=lambda entry: entry.fallback)
    main = sum(not entry.fallback for entry in entries)
    return _Line(
        tuple(each.deployment for each in entries),
        tuple(each.weight for each in entries),
        main,
        policy,
        tuple(each.when for each in entries) if any(each.when for each in entries) else (),
        tuple(each.arm for each in entries) if policy is not None and policy.split is not None else (),
        mirror=mirror,
    )


def _specificity(pattern: str) -> tuple[int, int]:
    wild = sum(char in _GLOB_CHARS for char in pattern)
    return len(pattern) - wild, -wild


def _stars(line: _Line, model: str) -> dict[str, str] | None:
    return {} if line.stars is None else line.stars.of(model)


def _filled(deployment: Deployment, values: dict[str, str]) -> Deployment:
    if "{" not in deployment.model:
        return deployment
    return msgspec.structs.replace(deployment, model=filled(deployment.model, values))
