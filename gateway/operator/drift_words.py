"""What drift is told as: to people in a sentence, to programs as a document."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.config.drifting import Drift
from gateway.core.alerts import Standing
from gateway.core.drift import Finding
from gateway.core.drift_hours import BY_NAME, Compared

_CALLED = {
    "blocks": "blocked calls",
    "refusals": "answers that say no",
    "refusals_told": "answers that end as refused",
    "input_length": "the length of requests",
    "output_length": "the length of answers",
    "cost": "the cost of a call",
    "ttft": "the time to the first token",
    "question_language": "the language of questions",
    "answer_language": "the language of answers",
    "model": "the model that answers",
    "questions": "what questions are about",
}
_NANO = 10**9


def sentence(name: tuple[str, str, str], compared: Compared | None) -> str:
    """Say what came of a comparison."""
    alias, prompt, measure = name
    whose = f"{alias}, prompt {prompt}" if prompt else alias
    if compared is None or compared.finding.state in {"too little data", "not measured"}:
        return f"{whose}: {_CALLED[measure]} can no longer be compared."
    return f"{whose}: {_CALLED[measure]} {_how(measure, compared.finding)}."


def document(
    name: tuple[str, str, str],
    state: str,
    standing: Standing,
    compared: Compared | None,
    rules: Drift,
    at_s: int,
) -> dict[str, Any]:
    """Make a message of what begins or is over."""
    alias, prompt, measure = name
    found = {} if compared is None else msgspec.structs.asdict(compared.finding)
    return {
        "type": "weighbridge.alert",
        "rule": f"drift.{measure}",
        "state": state,
        "episode": standing.episode,
        "since_s": standing.since_s,
        "at_s": at_s,
        "summary": sentence(name, compared),
        "facts": {
            **{key: value for key, value in found.items() if key != "state"},
            "against": compared.against if compared is not None else "",
            "window_hours": rules.span.hours,
            "unit": BY_NAME[measure].unit,
        },
        "match": {"alias": [alias], **({"prompt": [prompt]} if prompt else {})},
        "tags": {},
    }


def _how(measure: str, found: Finding) -> str:
    kind = BY_NAME[measure].kind
    if found.distance is not None:
        return f"is {found.distance:.2f} away from what it was (cosine distance)"
    if found.now is None or found.usual is None:
        raise AssertionError
    if kind == "rate":
        return f"are {found.now:.1%} of calls, and were {found.usual:.1%}"
    if kind == "words":
        what = found.what or "unknown"
        return f"is '{what}' in {found.now:.0%}, and was in {found.usual:.0%} (PSI {found.psi or 0:.2f})"
    unit = BY_NAME[measure].unit
    now, usual = (_amount(value, unit) for value in (found.now, found.usual))
    return f"is {now} in the middle, and was {usual} (PSI {found.psi or 0:.2f}, shift ×{2 ** (found.shift or 0):.2f})"


def _amount(value: float, unit: str) -> str:
    return f"${value / _NANO:.6f}" if unit == "nanousd" else f"{value:.0f} {unit}"
