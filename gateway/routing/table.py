"""The router: which deployments serve a model name. Pure and memoised; it knows no health and no load."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

import msgspec

from gateway.core.errors import ModelNotFound, RouteNotFound
from gateway.core.exchange import Deployment, RoutePlan

# Longer names are served, but neither remembered nor repeated in an error.
_MAX_SHOWN_CHARS = 200
_PLACEHOLDER = "{model}"
_GLOB_CHARS = frozenset("*?[")


class RouteEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the routing table. Several lines with one alias are its candidates, in order.

    Attributes:
        alias: A model name as clients send it, or a glob over such names.
        deployment: Who serves it; ``{model}`` in its model stands for the name the client sent.
    """

    alias: str
    deployment: Deployment


class Router:
    """Finds the deployments for a model name.

    The first of these that fits: the alias itself; the glob with the most literal characters; ``provider/name`` for a
    provider of the configuration; the alias ``*``.

    Args:
        models: The routing table.
        providers: For each provider, the deployment that passes calls through and keeps the client's model name.
        memo_size: How many plans are remembered. Clients choose the names, so this bounds what they can make us keep.
    """

    def __init__(
        self, models: tuple[RouteEntry, ...], providers: Mapping[str, Deployment] | None = None, memo_size: int = 4096
    ) -> None:
        self._exact: dict[str, tuple[Deployment, ...]] = {}
        globs: dict[str, tuple[Deployment, ...]] = {}
        for entry in models:
            table = globs if _GLOB_CHARS.intersection(entry.alias) else self._exact
            table[entry.alias] = (*table.get(entry.alias, ()), entry.deployment)
        self._rest = globs.pop("*", None)
        self._globs = sorted(globs.items(), key=lambda item: _specificity(item[0]), reverse=True)
        self._passthrough = {
            name: RoutePlan(alias="", candidates=(deployment,)) for name, deployment in (providers or {}).items()
        }
        self._memo: dict[str, RoutePlan] = {}
        self._memo_size = memo_size

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
        alias, deployments, name = self._match(model)
        plan = RoutePlan(alias=alias, candidates=tuple(_filled(deployment, name) for deployment in deployments))
        if len(model) <= _MAX_SHOWN_CHARS:
            if len(self._memo) >= self._memo_size:
                # The oldest goes, even when it is in use: finding it again costs microseconds, and a look-up stays one
                # dictionary access.
                del self._memo[next(iter(self._memo))]
            self._memo[model] = plan
        return plan

    def _match(self, model: str) -> tuple[str, tuple[Deployment, ...], str]:
        found = self._exact.get(model)
        if found is not None:
            return model, found, model
        if len(model) <= _MAX_SHOWN_CHARS:
            # Globs are not tried on longer names: no model is called that, and the time they take grows with the name.
            for pattern, deployments in self._globs:
                if fnmatchcase(model, pattern):
                    return pattern, deployments, model
        prefix, slash, name = model.partition("/")
        if slash and name and prefix in self._passthrough:
            deployment = self._passthrough[prefix].candidates[0]
            return f"{prefix}/*", (msgspec.structs.replace(deployment, model=_PLACEHOLDER),), name
        if self._rest is not None:
            return "*", self._rest, model
        if not model:
            raise ModelNotFound("The request names no model.", param="model")
        raise ModelNotFound(f"The model '{model[:_MAX_SHOWN_CHARS]}' does not exist.", param="model")


def _specificity(pattern: str) -> tuple[int, int]:
    wild = sum(char in _GLOB_CHARS for char in pattern)
    return len(pattern) - wild, -wild


def _filled(deployment: Deployment, model: str) -> Deployment:
    if _PLACEHOLDER not in deployment.model:
        return deployment
    return msgspec.structs.replace(deployment, model=deployment.model.replace(_PLACEHOLDER, model))
