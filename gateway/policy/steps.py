"""``do``: what a rule does, and ``mode``: how seriously. Each may be a word, a mapping, or a list of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, cast, get_args

import msgspec

from gateway.config.units import parse_percent
from gateway.config.validation import not_yet, suggestion
from gateway.core.verdict import Action, Canary, Mode, Step

STRENGTH: dict[Action, int] = {action: strength for strength, action in enumerate(get_args(Action))}
WORDS = ("block", "redact", "mask", "annotate")
PARAMETRIC = ("mask", "rewrite", "route", "score", "taint", "capture")
LATER = ("hold",)
# What is done to the text that was found: it can be done once.
EDITS: tuple[Action, ...] = ("redact", "mask", "rewrite")
_NAMES = (*WORDS, *PARAMETRIC[1:], *LATER)
_RESTORE_IN = ("assistant_text", "reasoning")
_TOOL_ARGS = "tool_args:"
_STICKY: tuple[str, ...] = ("key", "team", "tenant", "session")
_MAX_POINTS = 1_000_000


class ModeSpec(msgspec.Struct, frozen=True):
    """A mode, with the share of callers for a canary."""

    mode: Mode
    canary: Canary | None = None


def parse_steps(value: object) -> tuple[Step, ...]:
    """Read what a rule does.

    Args:
        value: A word (``redact``), a mapping of one action to what it needs (``{score: 5}``), or a list of those.

    Returns:
        The steps, strongest first.

    Raises:
        ValueError: It is none of that, or the steps contradict each other.
    """
    written = cast("list[object]", value) if isinstance(value, list) else [value]
    if not written:
        raise ValueError("does nothing; name at least one action")
    steps = sorted((_step(each) for each in written), key=lambda step: -STRENGTH[step.action])
    actions = [step.action for step in steps]
    for action in actions:
        if actions.count(action) > 1:
            raise ValueError(f"names {action} twice")
    if len(edits := [action for action in actions if action in EDITS]) > 1:
        raise ValueError(f"{' and '.join(edits)} cannot be done to one text; choose one")
    if "capture" in actions and len(actions) > 1:
        raise ValueError("capture stands alone: give it a rule of its own")
    return tuple(steps)


def _step(value: object) -> Step:
    if isinstance(value, str):
        if value in LATER:
            raise not_yet(f"action '{value}'")
        if value in WORDS:
            return Step(action=cast("Action", value))
        if value in PARAMETRIC:
            raise ValueError(f"{value} needs to say more, such as {_EXAMPLES[value]}")
        raise ValueError(_unknown(value))
    entries = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if len(entries) != 1:
        raise ValueError("should be an action, a mapping of one action such as {score: 5}, or a list of those")
    name, needs = next(iter(entries.items()))
    if name in LATER:
        raise not_yet(f"action '{name}'")
    read = _READERS.get(name)
    if read is None:
        raise ValueError(f"{name} takes nothing; write {name} alone" if name in WORDS else _unknown(name))
    return read(needs)


def _unknown(name: str) -> str:
    hint = suggestion(name, _NAMES) or f"; there are {', '.join(name for name in _NAMES if name not in LATER)}"
    return f"no action is called '{name}'{hint}"


def _mask(needs: object) -> Step:
    entries = cast("dict[str, object]", needs) if isinstance(needs, dict) else {}
    if needs is not None and set(entries) != {"restore_in"}:
        raise ValueError("mask takes restore_in: a list of where values come back")
    where = entries.get("restore_in", [])
    places = cast("list[object]", where) if isinstance(where, list) else [where]
    for place in places:
        tool_args = isinstance(place, str) and place.startswith(_TOOL_ARGS) and len(place) > len(_TOOL_ARGS)
        if place not in _RESTORE_IN and not tool_args:
            raise ValueError("restore_in names assistant_text, reasoning, or tool_args: with a tool's name or glob")
    return Step(action="mask", restore_in=tuple(dict.fromkeys(cast("list[str]", places))))


def _rewrite(needs: object) -> Step:
    if needs not in ("text_only", "remove"):
        raise ValueError("rewrite is text_only (keep what a reader sees) or remove (take it out)")
    return Step(action="rewrite", rewrite=needs)


def _route(needs: object) -> Step:
    if not isinstance(needs, str) or not 0 < len(needs) <= 1000:
        raise ValueError("route names a model alias of weighbridge.yaml")
    return Step(action="route", route=needs)


def _score(needs: object) -> Step:
    if isinstance(needs, bool) or not isinstance(needs, (int, float)) or not 0 < needs <= _MAX_POINTS:
        raise ValueError(f"score is a number of points, more than 0 and at most {_MAX_POINTS}")
    return Step(action="score", score=float(needs))


def _taint(needs: object) -> Step:
    if needs != "session":
        raise ValueError("what can be tainted is the session: {taint: session}")
    return Step(action="taint", taint="session")


def _capture(needs: object) -> Step:
    if needs != "none":
        raise ValueError("a rule can keep the call's bodies from being captured: {capture: none}")
    return Step(action="capture", capture="none")


_READERS: dict[str, Callable[[object], Step]] = {
    "mask": _mask,
    "rewrite": _rewrite,
    "route": _route,
    "score": _score,
    "taint": _taint,
    "capture": _capture,
}
_EXAMPLES = {
    "rewrite": "{rewrite: text_only}",
    "route": "{route: an-alias}",
    "score": "{score: 5}",
    "taint": "{taint: session}",
    "capture": "{capture: none}",
}


def parse_mode(value: object) -> ModeSpec:
    """Read how seriously a rule is meant.

    Args:
        value: ``audit``, ``shadow``, ``enforce``, or ``{canary: 10%, sticky_by: key, rest: audit}``.

    Raises:
        ValueError: It is none of them.
    """
    if value in ("audit", "shadow", "enforce"):
        return ModeSpec(cast("Mode", value))
    written = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if not written:
        hint = suggestion(value, ("audit", "shadow", "enforce")) if isinstance(value, str) else ""
        raise ValueError(f"should be 'audit', 'shadow', 'enforce' or {{canary: 10%}}{hint}")
    for key in written:
        if key not in ("canary", "sticky_by", "rest"):
            raise ValueError(f"unknown key '{key}'{suggestion(key, ('canary', 'sticky_by', 'rest'))}")
    if "canary" not in written:
        raise ValueError("should say the share of callers for whom the rule acts: {canary: 10%}")
    sticky, rest = written.get("sticky_by", "key"), written.get("rest", "audit")
    if sticky not in _STICKY:
        raise ValueError(f"sticky_by should be {', '.join(_STICKY[:-1])} or {_STICKY[-1]}")
    if rest not in ("audit", "shadow"):
        raise ValueError("rest should be audit or shadow")
    return ModeSpec("canary", Canary(share=_share(written["canary"]), sticky_by=_sticky(sticky), rest=_rest(rest)))


def _share(value: object) -> float:
    try:
        share = parse_percent(value)
    except ValueError:
        raise ValueError("canary should be a share such as 10%") from None
    if not 0 < share < 1:
        raise ValueError("canary should be more than 0% and less than 100%; say audit or enforce instead")
    return share


def _sticky(value: object) -> Literal["key", "team", "tenant", "session"]:
    return cast("Literal['key', 'team', 'tenant', 'session']", value)


def _rest(value: object) -> Literal["audit", "shadow"]:
    return cast("Literal['audit', 'shadow']", value)


def _object(description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


_RESTORE_SCHEMA = {"type": "string", "pattern": "^(assistant_text|reasoning|tool_args:.+)$"}
_STEP_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"enum": list(WORDS)},
        _object(
            "Put a placeholder in its place, and the value back where it may be seen.",
            {"mask": _object("Where.", {"restore_in": {"type": "array", "items": _RESTORE_SCHEMA}}, [])},
            ["mask"],
        ),
        _object(
            "Keep what a reader sees, or take it out.", {"rewrite": {"enum": ["text_only", "remove"]}}, ["rewrite"]
        ),
        _object("Send the call to another alias.", {"route": {"type": "string", "minLength": 1}}, ["route"]),
        _object("Add points.", {"score": {"type": "number", "exclusiveMinimum": 0, "maximum": _MAX_POINTS}}, ["score"]),
        _object("Mark the session.", {"taint": {"const": "session"}}, ["taint"]),
        _object("Keep no body of the call.", {"capture": {"const": "none"}}, ["capture"]),
    ]
}
STEPS_SCHEMA: dict[str, Any] = {
    "description": "What the rule does, one action or several.",
    "anyOf": [*_STEP_SCHEMA["anyOf"], {"type": "array", "items": _STEP_SCHEMA, "minItems": 1}],
}
MODE_SCHEMA: dict[str, Any] = {
    "description": "How seriously the rule is meant.",
    "anyOf": [
        {"enum": ["audit", "shadow", "enforce"]},
        _object(
            "Act for a share of callers.",
            {
                "canary": {"type": "string", "pattern": r"^[0-9]{1,2}(\.[0-9]{1,6})?\s*%$", "examples": ["10%"]},
                "sticky_by": {"enum": list(_STICKY), "default": "key"},
                "rest": {"enum": ["audit", "shadow"], "default": "audit"},
            },
            ["canary"],
        ),
    ],
}
