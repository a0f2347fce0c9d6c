"""Builds detectors by the name under which a policy asks for them.

The module of a kind is imported when a bundle first names it, so that a process pays, in memory and in time to start,
for what its policies use and for nothing else. A plugin may bring kinds of its own; it cannot replace one of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import iscoroutinefunction
from typing import Any, Literal

from gateway.core.errors import Misconfigured
from gateway.core.scored import scorer_of
from gateway.core.verdict import DetectorSpec
from gateway.plugin.guard import Detector

Builder = Callable[[DetectorSpec], Detector | None]
Form = Literal["pattern", "piece", "text", "call", "outside"]

_HERE = "gateway.guards.detectors."
# Each module has a ``build(spec)``. Kinds that are patterns only (secrets, pii) have none: see ``runs_as_pattern``.
_MODULES = {
    "injection": "injection",
    "json_schema": "json_schema",
    "language": "language",
    "limits": "limits",
    "pattern": "pattern_views",
    "tools": "tools",
    "unicode": "unicode",
    "url_egress": "url_egress",
    "webhook": "webhook",
}
_RAW = "raw"
# Kinds that are a model and nothing else, and kinds that are patterns and perhaps a model.
_MODELS, _PERHAPS_MODELS = frozenset({"toxicity"}), frozenset({"pii"})


def runs_as_pattern(spec: DetectorSpec) -> bool:
    """Say whether a detector is nothing but expressions over the text as it stands: those run in one database."""
    return bool(spec.patterns) and set(spec.options.get("views") or (_RAW,)) == {_RAW}


def is_model_alone(spec: DetectorSpec) -> bool:
    """Say whether all that a detector does is to ask a model."""
    return spec.use in _MODELS or (spec.use in _PERHAPS_MODELS and not spec.patterns and bool(scorer_of(spec)))


def build(spec: DetectorSpec, plugins: Mapping[str, Builder] | None = None) -> Detector | None:
    """Build a detector that does not run in the common database.

    Args:
        spec: As the policy room compiled it.
        plugins: Builders that plugins bring, by ``use``.

    Returns:
        The detector; ``None`` when it has nothing to find.

    Raises:
        Misconfigured: There is no such kind, or its options are wrong.
    """
    name = _MODULES.get(spec.use)
    if name is None:
        builder = (plugins or {}).get(spec.use)
        if builder is None:
            raise Misconfigured(f"Detector '{spec.name}': there is no kind of detector called '{spec.use}'.")
        return builder(spec)
    try:
        module = import_module(_HERE + name)
    except ModuleNotFoundError as missing:
        if missing.name != _HERE + name:
            raise
        raise Misconfigured(f"Detector '{spec.name}': use: {spec.use} is not yet available.") from None
    made: Detector | None = module.build(spec)
    return made


def form_of(detector: Any) -> Form:
    """Say which of the forms of :mod:`gateway.plugin.guard` a detector has.

    Raises:
        Misconfigured: It has none of them.
    """
    if callable(getattr(detector, "find", None)):
        return "piece" if callable(getattr(detector, "pending", None)) else "text"
    judge = getattr(detector, "judge", None)
    if callable(judge):
        return "outside" if iscoroutinefunction(judge) else "call"
    raise Misconfigured(f"A detector of type {type(detector).__name__} neither finds nor judges.")
