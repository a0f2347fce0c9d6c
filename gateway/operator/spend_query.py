"""Spend as SQL: which table carries what is asked for, and the statement on it. Values are bound, never spliced in.

The roll-ups carry every dimension but prompts, and one tag at a time; over days the one by hours does, which carries no
keys, or the one by days, which does, with minutes before its first whole hour or day and after its last. Whatever they
do not carry is read from the thin
table, whose rows are kept for less long. Both are added up as they are: no ``FINAL``, since sums of unmerged parts are
the sums of merged ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.errors import MalformedRequest

# What a caller may group by or restrict to, and the column that stands for it.
COLUMNS = {
    "key": "key_id",
    "team": "team",
    "tenant": "tenant",
    "model": "model_served",
    "alias": "alias",
    "provider": "provider",
    "deployment": "deployment",
    "prompt": "prompt_id",
    "prompt_version": "prompt_version",
}
# Calendar units, told in the zone that was asked for.
TIMES = {
    "hour": "toUnixTimestamp(toStartOfHour(@time, {zone:String}))",
    "day": "formatDateTime(@time, '%F', {zone:String})",
    "month": "formatDateTime(@time, '%Y-%m', {zone:String})",
}
ANY_TAG = "tag"
_TAG_PREFIX = "tag:"
MOST_DIMENSIONS = 4
MOST_VALUES = 100

MEASURES = (
    "calls",
    "error_calls",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "unknown_usage_calls",
    "cost_nanousd",
    "priced_calls",
    "unknown_cost_calls",
    "exact_hits",
    "semantic_hits",
    "unknown_saving_hits",
    "saved_nanousd",
    "saved_ms",
)
_ONLY_THIN = ("prompt", "prompt_version")
_HOUR_S, _DAY_S = 3600, 86_400
_SUMS = ", ".join(
    [
        *(f"sum(s.{name}) AS {name}" for name in MEASURES if name != "cost_nanousd"),
        "sum(s.cost_nanousd) AS known_nanousd",
        "sumIf(s.cost_nanousd, s.usage_source = 'reported') AS reported_nanousd",
        "sumIf(s.cost_nanousd, s.usage_source = 'estimated') AS estimated_nanousd",
        "sumIf(s.priced_calls, s.usage_source = 'estimated') AS estimated_calls",
    ]
)
# The marks in these are replaced by text of this module only.
_SELECT = "SELECT @columns FROM @table @where"
_UNKNOWN_LAST = "priced_calls = 0 AND unknown_cost_calls > 0"
_TAG_OF_ROLL_UP = "if(tag_key = '', '', concat(tag_key, '=', tag_value))"
_TAG_OF_CALL = "arrayJoin(if(empty(tags), [''], arrayMap((k, v) -> concat(k, '=', v), mapKeys(tags), mapValues(tags))))"
# A call counts as unknown as it does in the roll-ups: see `ingest_to_spend`.
_THIN_MEASURES = """
    1 AS calls, toUInt64(status >= 400) AS error_calls,
    ifNull(exchanges.input_tokens, 0) AS input_tokens, ifNull(exchanges.output_tokens, 0) AS output_tokens,
    ifNull(exchanges.cached_input_tokens, 0) AS cached_input_tokens,
    ifNull(exchanges.cache_write_tokens, 0) AS cache_write_tokens,
    ifNull(exchanges.reasoning_tokens, 0) AS reasoning_tokens,
    ifNull(exchanges.audio_input_tokens, 0) AS audio_input_tokens,
    ifNull(exchanges.audio_output_tokens, 0) AS audio_output_tokens,
    ifNull(exchanges.image_input_tokens, 0) AS image_input_tokens,
    toUInt64(status < 400 AND isNull(exchanges.input_tokens)) AS unknown_usage_calls,
    ifNull(exchanges.cost_nanousd, 0) AS cost_nanousd, toUInt64(isNotNull(exchanges.cost_nanousd)) AS priced_calls,
    toUInt64(isNull(exchanges.cost_nanousd) AND model_requested != '' AND dialect != 'openai_models'
        AND (status < 400 OR id IN (SELECT exchange_id FROM attempts WHERE status >= 200 AND status < 300
            AND started_at >= toDateTime({since:UInt32}, 'UTC')))) AS unknown_cost_calls,
    toUInt64(cache = 'hit-exact') AS exact_hits, toUInt64(cache = 'hit-semantic') AS semantic_hits,
    toUInt64(startsWith(toString(cache), 'hit') AND isNull(cache_saved_nanousd)) AS unknown_saving_hits,
    if(startsWith(toString(cache), 'hit'), ifNull(cache_saved_nanousd, 0), 0) AS saved_nanousd,
    if(startsWith(toString(cache), 'hit'), toUInt64(round(ifNull(cache_saved_ms, 0))), 0) AS saved_ms"""


class _Longer(msgspec.Struct, frozen=True):
    """A roll-up of more than minutes.

    Attributes:
        table: What it is called.
        time: Its column of times.
        step_s: How long each is.
        least_s: Spans of so many seconds are read of it: in less there are few minutes.
    """

    table: str
    time: str
    step_s: int
    least_s: int


_HOURS = _Longer("spend_by_hour", "hour", _HOUR_S, 2 * _DAY_S)
_DAYS = _Longer("spend_by_key_day", "day", _DAY_S, 4 * _DAY_S)


class SpendQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for.

    Attributes:
        by: Names of :data:`COLUMNS` and :data:`TIMES`, ``tag`` for every tag, ``tag:KEY`` for one.
        since_s: From this minute on, seconds since 1970.
        until_s: Before this minute.
        zone: Name of the time zone that days and hours are those of.
        only: Values that a dimension of :data:`COLUMNS` may have.
        tags: Values that tags may have, by key.
    """

    by: tuple[str, ...] = ()
    since_s: int
    until_s: int
    zone: str = "UTC"
    only: dict[str, tuple[str, ...]] = {}
    tags: dict[str, tuple[str, ...]] = {}


class Statement(msgspec.Struct, frozen=True):
    """SQL with its bound values; ``thin`` says that it reads single calls, which are kept for less long."""

    sql: str
    params: dict[str, str]
    thin: bool


def check_dimensions(by: Sequence[str]) -> tuple[str, ...]:
    """Look over what somebody wants to group by.

    Raises:
        MalformedRequest: There is nothing of that name, or it is too much at once.
    """
    chosen = tuple(dict.fromkeys(by))
    for name in chosen:
        if name not in COLUMNS and name not in TIMES and name != ANY_TAG and not _tag_key(name):
            known = ", ".join((*COLUMNS, ANY_TAG, "tag:KEY", *TIMES))
            raise MalformedRequest(f"'by' takes {known}; not '{name[:40]}'.", param="by")
    if len(chosen) > MOST_DIMENSIONS:
        raise MalformedRequest(f"'by' takes at most {MOST_DIMENSIONS} at once.", param="by")
    return chosen


def column(name: str) -> str:
    """The column of an answer that stands for a dimension."""
    return COLUMNS.get(name, name)


def build(query: SpendQuery, limit: int, *, thin: bool = False) -> Statement:
    """Write the statement that adds up what is asked for.

    Args:
        query: Its dimensions have been looked over.
        limit: The most rows, dearest first.
        thin: Read single calls, though the roll-ups would do.

    Returns:
        A statement whose columns are ``d0`` … for the dimensions in their order, :data:`MEASURES` without their cost,
        ``known_nanousd``, ``reported_nanousd``, ``estimated_nanousd`` and ``estimated_calls``.
    """
    building = _Building(query)
    building.thin = building.thin or thin
    inner = building.inner()
    keys = ", ".join(f"d{number}" for number in range(len(query.by)))
    shown = f"{keys}, " if keys else ""
    grouped = f"GROUP BY {keys} HAVING calls > 0" if keys else ""
    order = ", ".join(filter(None, (_UNKNOWN_LAST, "known_nanousd DESC", "calls DESC", keys)))
    sql = " ".join(
        (f"SELECT {shown}{_SUMS}", "FROM", f"({inner}) AS s", grouped, "ORDER BY", order, "LIMIT {limit:UInt32}")
    )
    return Statement(sql, {**building.params, "limit": str(limit)}, building.thin)


class _Building:
    def __init__(self, query: SpendQuery) -> None:
        self.query = query
        self.params = {"since": str(query.since_s), "until": str(query.until_s)}
        if any(name in TIMES for name in query.by):
            self.params["zone"] = query.zone
        keys = {_tag_key(name) for name in query.by} - {""} | query.tags.keys()
        tag_filtered = ANY_TAG in query.by and bool(keys)
        self.thin = len(keys) > 1 or tag_filtered or any(n in (*query.by, *query.only) for n in _ONLY_THIN)
        self.key = next(iter(keys), "")

    def inner(self) -> str:
        if self.thin:
            dimensions = self._dimensions("started_at", _TAG_OF_CALL, lambda key: f"tags[{self._bind(key)}]")
            tags = [f"tags[{self._bind(key)}] IN ({self._bound(values)})" for key, values in self.query.tags.items()]
            return _select(f"{dimensions}usage_source, {_THIN_MEASURES}", "exchanges", self._where("started_at", tags))
        if ANY_TAG in self.query.by:
            return self._roll_up("spend_by_tag_minute", _TAG_OF_ROLL_UP, [])
        if not self.key:
            longer = self._longer()
            return self._with_minutes(longer) if longer else self._roll_up("spend_by_minute", "''", [])
        having = f"tag_key = {self._bind(self.key)}"
        if self.query.tags:
            values = self._bound(self.query.tags[self.key])
            return self._roll_up("spend_by_tag_minute", "tag_value", [having, f"tag_value IN ({values})"])
        # Calls without the tag are all calls less those that have it.
        return " UNION ALL ".join(
            (
                self._roll_up("spend_by_tag_minute", "tag_value", [having]),
                self._roll_up("spend_by_minute", "''", []),
                self._roll_up("spend_by_tag_minute", "''", [having], sign="-"),
            )
        )

    def _roll_up(self, table: str, tag: str, conditions: list[str], sign: str = "") -> str:
        return self._summed(table, tag, self._where("minute", conditions), sign)

    def _summed(self, table: str, tag: str, where: str, sign: str = "", time: str = "minute") -> str:
        dimensions = self._dimensions(time, tag, lambda _key: tag)
        measures = ", ".join(f"{sign}toInt64({table}.{name}) AS {name}" for name in MEASURES)
        return _select(f"{dimensions}usage_source, {measures}", table, where)

    def _longer(self) -> _Longer | None:
        query = self.query
        by_key = "key" in query.by or "key" in query.only
        longer = _DAYS if by_key else _HOURS
        if query.until_s - query.since_s < longer.least_s:
            return None
        if by_key:
            # Only days of ours are there.
            times = [name for name in query.by if name in TIMES]
            return longer if not times or (query.zone == "UTC" and "hour" not in times) else None
        # A zone that is half an hour off has no hours of ours.
        ends = (datetime.fromtimestamp(at, ZoneInfo(query.zone)).utcoffset() for at in (query.since_s, query.until_s))
        return longer if all(off is not None and off.total_seconds() % _HOUR_S == 0 for off in ends) else None

    def _with_minutes(self, longer: _Longer) -> str:
        step_s = longer.step_s
        first, last = -(-self.query.since_s // step_s) * step_s, self.query.until_s // step_s * step_s
        self.params |= {"first": str(first), "last": str(last)}
        time = longer.time
        parts = [self._summed(longer.table, "''", self._where(time, [], ("first", "last")), time=time)]
        if self.query.since_s < first:
            parts.append(self._summed("spend_by_minute", "''", self._where("minute", [], ("since", "first"))))
        if last < self.query.until_s:
            parts.append(self._summed("spend_by_minute", "''", self._where("minute", [], ("last", "until"))))
        return " UNION ALL ".join(parts)

    def _dimensions(self, time: str, any_tag: str, tag: Callable[[str], str]) -> str:
        expressions: list[str] = []
        for name in self.query.by:
            if name in TIMES:
                expressions.append(TIMES[name].replace("@time", time))
            elif name == ANY_TAG:
                expressions.append(any_tag)
            else:
                expressions.append(COLUMNS.get(name) or tag(_tag_key(name)))
        return "".join(f"{each} AS d{number}, " for number, each in enumerate(expressions))

    def _where(self, time: str, conditions: list[str], span: tuple[str, str] = ("since", "until")) -> str:
        only = [f"{COLUMNS[name]} IN ({self._bound(values)})" for name, values in self.query.only.items()]
        ends = [f"toDateTime({{{name}:UInt32}}, 'UTC')" for name in span]
        bounds = [f"{time} >= {ends[0]}", f"{time} < {ends[1]}"]
        return "WHERE " + " AND ".join((*bounds, *only, *conditions))

    def _bound(self, values: Sequence[str]) -> str:
        return ", ".join(self._bind(value) for value in values)

    def _bind(self, value: str) -> str:
        name = f"v{len(self.params)}"
        self.params[name] = value
        return f"{{{name}:String}}"


def _select(columns: str, table: str, where: str) -> str:
    return _SELECT.replace("@where", where).replace("@table", table).replace("@columns", columns)


def told(name: str, value: object, zone: tzinfo) -> object:
    """A dimension's value as it is shown: an hour with its offset, since a clock that is put back shows one twice."""
    if name == "hour" and isinstance(value, int):
        return datetime.fromtimestamp(value, zone).isoformat(timespec="minutes")
    return value


def told_in(query: SpendQuery, row: Mapping[str, object]) -> tuple[object, ...]:
    """The values of a row's dimensions, in order, as they are shown."""
    zone = ZoneInfo(query.zone)
    return tuple(told(name, row[f"d{number}"], zone) for number, name in enumerate(query.by))


def _tag_key(name: str) -> str:
    return name.removeprefix(_TAG_PREFIX) if name.startswith(_TAG_PREFIX) else ""
