"""The operation about drift; see :mod:`gateway.operator.routes`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from gateway.core.drift_hours import BY_NAME, HOUR_S, MEASURES
from gateway.core.errors import MalformedRequest
from gateway.operator import parameters
from gateway.operator.drift_book import DriftBook
from gateway.operator.edge import json_answer
from gateway.operator.openapi import ROWS, Operation, Parameter
from gateway.operator.plane import Plane

MOST_ROWS = 5_000
_TEXT, _COUNT, _PART = {"type": "string"}, {"type": "integer"}, {"type": ["number", "null"]}
_WHEN = {"type": ["string", "null"], "format": "date-time"}
_ROW = {
    "type": "object",
    "properties": {
        "alias": _TEXT,
        "prompt": {**_TEXT, "description": "empty for all calls of the alias"},
        "measure": {"enum": [each.name for each in MEASURES]},
        "state": {
            "enum": ["drifting", "quiet", "too little data", "not measured"],
            "description": "of the last window",
        },
        "firing": {"type": "boolean", "description": "told, and not over"},
        "at": {**_WHEN, "description": "when that window ended"},
        "against": {"enum": ["weekday", "days", ""], "description": "what it was compared with"},
        "now": {**_PART, "description": "a rate, the middle of numbers, or the share of what changed most"},
        "usual": _PART,
        "unit": {**_TEXT, "description": "of now and usual, where they are no shares"},
        "what": {**_TEXT, "description": "which language or model changed most"},
        "psi": _PART,
        "shift": {**_PART, "description": "Wasserstein distance in octaves, with its direction"},
        "distance": {**_PART, "description": "cosine distance of the means of embeddings"},
        "far": {"type": "number", "description": "as a part of the distance that is told"},
        "count": _COUNT,
        "usual_count": _COUNT,
        "drifting_hours": {**_COUNT, "description": "windows of the span that were drifting"},
        "first_drifting": _WHEN,
        "last_drifting": _WHEN,
        "farthest": {"type": "number"},
    },
}
_DRIFT = {
    "type": "object",
    "properties": {
        "since": _WHEN,
        "until": _WHEN,
        "window_hours": _COUNT,
        "rows": {**ROWS, "items": _ROW},
        "notes": {"type": "array", "items": _TEXT},
    },
}
_PARAMETERS = (
    Parameter(name="alias", summary="Only this alias."),
    Parameter(name="prompt", summary="Only this prompt."),
    Parameter(name="measure", summary=f"Only one of {', '.join(BY_NAME)}."),
    Parameter(
        name="since",
        summary="Windows that ended since: an age (24h, 7d), or an ISO 8601 time.",
        schema={"type": "string", "default": "7d"},
    ),
)


class DriftApi:
    """The handler.

    Args:
        plane: What it answers from.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def drift(self, request: web.Request) -> web.StreamResponse:
        """Say of each measure whether calls are still like those before."""
        query, now_us = request.query, self._plane.clock.unix_us()
        only = {name: parameters.text(query, name) for name in ("alias", "prompt", "measure") if query.get(name)}
        if only.get("measure", MEASURES[0].name) not in BY_NAME:
            raise MalformedRequest(f"'measure' takes one of {', '.join(BY_NAME)}.", param="measure")
        since_s = (parameters.moment_us(query, "since", now_us) or now_us - 7 * 86_400_000_000) // 1_000_000
        until_s = now_us // 1_000_000
        since_s = max(since_s, 0)
        book = DriftBook(self._plane.store.traces.driver)
        rows = await book.looked(since_s, until_s, only, MOST_ROWS)
        drift = self._plane.drift
        firing = set(drift.firing) if drift is not None else set[tuple[str, str, str]]()
        return json_answer(
            {
                "since": _iso(since_s),
                "until": _iso(until_s),
                "window_hours": drift.rules.span.hours if drift is not None else None,
                "rows": [_shown(row, firing) for row in rows],
                "notes": self._notes(until_s, cut=len(rows) == MOST_ROWS),
            }
        )

    def _notes(self, until_s: int, *, cut: bool) -> list[str]:
        drift = self._plane.drift
        if drift is None:
            return ["Nothing is compared: drift.enabled is false."]
        notes: list[str] = []
        if not drift.compared_s:
            notes.append("No window has been compared since the start.")
        elif until_s - drift.compared_s > 3 * HOUR_S:
            notes.append(f"The last window that was compared ended at {_iso(drift.compared_s)}.")
        if drift.left_out:
            notes.append(f"{drift.left_out} aliases and prompts with fewer calls are not compared: drift.subjects.")
        if drift.unread:
            notes.append(drift.unread)
        if cut:
            notes.append(f"There is more than {MOST_ROWS} rows; ask for less.")
        return notes


def about_drift(api: DriftApi) -> tuple[Operation, ...]:
    """What the plane answers about drift."""
    return (
        Operation(
            path="/api/drift",
            name="drift",
            summary="Whether calls are still like those before, by alias, prompt and measure; what drifts first.",
            handle=api.drift,
            parameters=_PARAMETERS,
            answer=_DRIFT,
        ),
    )


def _shown(row: dict[str, Any], firing: set[tuple[str, str, str]]) -> dict[str, Any]:
    name = row["alias"], row["prompt"], row["measure"]
    measure = BY_NAME.get(row["measure"])
    drifted = row["drifting_hours"] > 0
    return {
        **{key: row[key] for key in ("alias", "prompt", "measure", "state")},
        "firing": name in firing,
        "at": _iso(row["last_s"]),
        **{key: row[key] for key in ("against", "now", "usual")},
        "unit": measure.unit if measure is not None else "",
        **{key: row[key] for key in ("what", "psi", "shift", "distance", "far", "count", "usual_count")},
        "drifting_hours": row["drifting_hours"],
        "first_drifting": _iso(row["first_drifting_s"]) if drifted else None,
        "last_drifting": _iso(row["last_drifting_s"]) if drifted else None,
        "farthest": row["farthest"],
    }


def _iso(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()
