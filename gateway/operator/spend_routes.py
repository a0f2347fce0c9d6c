"""The operations about money; see :mod:`gateway.operator.routes`."""

from __future__ import annotations

from gateway.operator.forecasts import FORECAST_BY, PERIODS
from gateway.operator.openapi import ROWS, Operation, Parameter
from gateway.operator.spend_api import SpendApi
from gateway.operator.spend_query import ANY_TAG, COLUMNS, TIMES

_NAMES = ", ".join((*COLUMNS, ANY_TAG, "tag:KEY", *TIMES))
_MONEY = {"type": ["integer", "null"], "description": "billionths of a US dollar; null: unknown"}
_PART = {"type": ["number", "null"]}
_ENERGIES = ("kwh_low", "kwh_high", "gco2e_low", "gco2e_high")
_LINE = {
    "type": "object",
    "description": "Beside these, one column a dimension.",
    "properties": {
        **{key: {"type": "integer"} for key in ("calls", "error_calls", "priced_calls", "estimated_calls")},
        "unknown_cost_calls": {"type": "integer", "description": "calls whose cost nobody knows, in none of the sums"},
        "cost_nanousd": _MONEY,
        **{f"{key}_nanousd": {"type": "integer"} for key in ("reported", "estimated", "untold")},
        **{f"{key}_hits": {"type": "integer"} for key in ("exact", "semantic")},
        "saved_nanousd": {**_MONEY, "description": "what the answers that a cache gave had cost; null: unknown"},
        "saved_ms": {"type": "integer", "description": "how much longer they had taken"},
        "unknown_saving_hits": {"type": "integer", "description": "hits whose saving nobody knows, in no sum"},
        "share": _PART,
        "estimated_share": _PART,
        **{f"estimated_{key}": {**_PART, "description": "with energy=true; null: unknown"} for key in _ENERGIES},
        "unknown_energy_calls": {"type": "integer", "description": "with energy=true: calls in none of the estimates"},
    },
}
_SPEND = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("since", "until", "zone")},
        "source": {"enum": ["roll-ups", "exchanges"]},
        "rows": {**ROWS, "items": _LINE},
        "total": _LINE,
        "truncated": {"type": "boolean", "description": "there were more rows than an answer holds"},
        "notes": {"type": "array", "items": {"type": "string"}},
    },
}
_ALERT = {
    "type": "object",
    "properties": {
        "rule": {"type": "string"},
        "state": {"enum": ["firing", "quiet", "unknown"]},
        "since_s": {"type": ["integer", "null"], "description": "when that began, seconds since 1970"},
        "summary": {"type": "string"},
        "facts": {"type": "object", "description": "what the last look saw; money in billionths of a US dollar"},
    },
}
_ALERTS = {"type": "object", "properties": {"alerts": {"type": "array", "items": _ALERT}}}
_FORECAST = {
    "type": "object",
    "description": "Beside these, the dimension's column.",
    "properties": {
        "spent_nanousd": {"type": "integer"},
        **dict.fromkeys(("forecast_nanousd", "low_nanousd", "high_nanousd", "budget_nanousd"), _MONEY),
        "outlook": {"enum": ["no budget", "too little data", "within", "may be over", "likely over", "over"]},
        "history_days": {"type": "integer"},
        "unknown_cost_calls": {"type": "integer", "description": "of the period, in none of the sums"},
    },
}
_FORECASTS = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("per", "zone", "begins", "ends")},
        "rows": {**ROWS, "items": _FORECAST},
    },
}
_FORECAST_BY = Parameter(name="by", summary="One dimension.", schema={"enum": list(FORECAST_BY), "default": "team"})
_PER = Parameter(name="per", summary="Which period.", schema={"enum": list(PERIODS), "default": "month"})
_ESTIMATE = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("provider", "rules")},
        "direction": {"enum": ["input", "output"]},
        **{key: {"type": "integer"} for key in ("calls", "reported_tokens", "estimated_tokens")},
        "difference": {**_PART, "description": "of all tokens; below 0 where too few were estimated"},
        "mean_error": {**_PART, "description": "of a call, whichever way"},
        "median_error_below": {**_PART, "description": "half of the calls were no farther off; null: above 100 %"},
        "p95_error_below": _PART,
    },
}
_BY = Parameter(
    name="by", summary=f"Up to four of {_NAMES}, separated by commas.", schema={"type": "string", "default": "team"}
)
_SINCE = Parameter(
    name="since",
    summary="From this minute on: an age (15m, 24h, 7d), or an ISO 8601 time, in 'zone' unless it says otherwise.",
    schema={"type": "string", "default": "24h"},
)
_UNTIL = Parameter(name="until", summary="Before this minute: likewise; now by default.")
_ZONE = Parameter(name="zone", summary="Time zone of days and hours.", schema={"type": "string", "default": "UTC"})
_LIST = {"type": "array", "items": {"type": "string"}}
ONLY = tuple(
    Parameter(name=name, summary=f"Only this {name.replace('_', ' ')}; may be given several times.", schema=_LIST)
    for name in COLUMNS
)
_TAG = Parameter(name="tag", summary="Only calls with this tag, key=value; may be given several times.", schema=_LIST)

_ENERGY = Parameter(
    name="energy",
    summary="Estimate energy, too; needs the package ecologits, which is no part of the product.",
    schema={"enum": ["true", "false"], "default": "false"},
)
_ENERGY_ZONE = Parameter(
    name="energy_zone", summary="Whose electricity it is (ISO 3166-1 alpha-3: FRA); by default the provider's."
)


def about_money(api: SpendApi) -> tuple[Operation, ...]:
    """What the plane answers about money."""
    return (
        Operation(
            path="/api/spend",
            name="spend",
            summary="What was used and what it cost, dearest first, by time where it is by time.",
            handle=api.spend,
            parameters=(_BY, _SINCE, _UNTIL, _ZONE, *ONLY, _TAG, _ENERGY, _ENERGY_ZONE),
            answer=_SPEND,
        ),
        Operation(
            path="/api/spend/forecast",
            name="forecast",
            summary="What the day, week or month will have cost at its end, with a range, beside its budget.",
            handle=api.forecast,
            parameters=(_FORECAST_BY, _PER, _ZONE, *ONLY, _TAG),
            answer=_FORECASTS,
        ),
        Operation(
            path="/api/alerts",
            name="alerts",
            summary="Where the rules of alerts stand, and what the last look at each saw.",
            handle=api.alerts,
            answer=_ALERTS,
        ),
        Operation(
            path="/api/spend/estimates",
            name="spend_estimates",
            summary="How far estimates of tokens were from what providers reported, on calls taken for comparison.",
            handle=api.estimates,
            answer={"type": "object", "properties": {"estimates": {"type": "array", "items": _ESTIMATE}}},
        ),
    )
