"""Which exchanges are meant, as SQL on the thin table. Values are bound, never spliced in.

What stands in other tables (a rule that hit, a judgement) restricts by id, within the same time: those tables
have the same keys and the same days.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from gateway.core.errors import MalformedRequest
from gateway.operator.words import Words, found_in, read_words

# Fields whose column has the same name.
PLAIN = (
    "tenant",
    "team",
    "key_id",
    "session_id",
    "trace_id",
    "dialect",
    "route",
    "alias",
    "split",
    "arm",
    "provider",
    "deployment",
    "model_requested",
    "model_served",
    "error_code",
    "finish_reason",
    "verdict",
    "cache",
    "policy_revision",
    "prompt_id",
    "prompt_version",
)
# Fields that are looked up in other tables.
LOOKED_UP = ("rule", "detector", "feedback", "text")
FOREVER_US = 4_000_000_000_000_000
MOST_TAGS = 16


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which exchanges to list; an empty value does not restrict.

    Attributes:
        since_us: Started at or after, microseconds since 1970.
        until_us: Started before.
        min_status: At least this HTTP status; 400 lists failures.
        status: Exactly this one.
        failed: Only what went wrong, streams that failed after their head included.
        stream: Streams, or what is none.
        tags: Each one ``key=value``; all must be there.
        rule: A rule that hit.
        detector: A detector that hit.
        feedback: A judgement that was given: its name, or ``name=value``.
        text: Words and "phrases" that captured bodies hold.
        min_duration_ms: At least this long.
        min_cost_nanousd: At least this dear.
    """

    tenant: str = ""
    team: str = ""
    key_id: str = ""
    session_id: str = ""
    trace_id: str = ""
    dialect: str = ""
    route: str = ""
    alias: str = ""
    split: str = ""
    arm: str = ""
    provider: str = ""
    deployment: str = ""
    model_requested: str = ""
    model_served: str = ""
    error_code: str = ""
    finish_reason: str = ""
    verdict: str = ""
    cache: str = ""
    policy_revision: str = ""
    prompt_id: str = ""
    prompt_version: str = ""
    min_status: int = 0
    status: int = 0
    failed: bool = False
    stream: bool | None = None
    tags: tuple[str, ...] = ()
    rule: str = ""
    detector: str = ""
    feedback: str = ""
    text: str = ""
    min_duration_ms: int = 0
    min_cost_nanousd: int = 0
    since_us: int = 0
    until_us: int = 0


class Condition(msgspec.Struct, frozen=True):
    """A condition on ``exchanges`` with its bound values; it holds ``@since`` and ``@until`` where times go."""

    sql: str
    params: dict[str, str]

    def within(self, since_us: int, until_us: int) -> tuple[str, dict[str, str]]:
        """The condition for what started in a span of time, and its values."""
        sql = self.sql.replace("@since", "{since:Int64}").replace("@until", "{until:Int64}")
        return sql, {**self.params, "since": str(since_us), "until": str(until_us)}


_SPAN = "@column >= fromUnixTimestamp64Micro(@since, 'UTC') AND @column < fromUnixTimestamp64Micro(@until, 'UTC')"
_ELSEWHERE = "exchanges.id IN (SELECT exchange_id FROM @table WHERE @where)"
# A judgement may come at any time after the call.
_JUDGED = "created_at >= fromUnixTimestamp64Micro(@since, 'UTC')"


def condition_of(filters: Filters) -> Condition:
    """Write filters down.

    Raises:
        MalformedRequest: A tag or a text is none.
    """
    where = [_SPAN.replace("@column", "exchanges.started_at")]
    params: dict[str, str] = {}
    for name in PLAIN:
        if value := getattr(filters, name):
            where.append(f"exchanges.{name} = {{{name}:String}}")
            params[name] = value
    _tags(filters.tags, where, params)
    _figures(filters, where, params)
    _hits(filters, where, params)
    _feedback(filters.feedback, where, params)
    if filters.text:
        _text(read_words(filters.text), where, params)
    return Condition(" AND ".join(where), params)


def _read_tags(tags: tuple[str, ...]) -> list[tuple[str, str]]:
    if len(tags) > MOST_TAGS:
        raise MalformedRequest(f"At most {MOST_TAGS} tags restrict a list.", param="tag")
    read: list[tuple[str, str]] = []
    for tag in tags:
        key, equals, value = tag.partition("=")
        if not key or not equals:
            raise MalformedRequest("A tag is key=value.", param="tag")
        read.append((key, value))
    return read


def _tags(tags: tuple[str, ...], where: list[str], params: dict[str, str]) -> None:
    for number, (key, value) in enumerate(_read_tags(tags)):
        where.append(f"exchanges.tags[{{tag_key{number}:String}}] = {{tag_value{number}:String}}")
        params |= {f"tag_key{number}": key, f"tag_value{number}": value}


def _figures(filters: Filters, where: list[str], params: dict[str, str]) -> None:
    figures: tuple[tuple[str, Any, str], ...] = (
        ("min_status", filters.min_status, "exchanges.status >= {min_status:UInt16}"),
        ("status", filters.status, "exchanges.status = {status:UInt16}"),
        ("took", filters.min_duration_ms, "exchanges.duration_ms >= {took:UInt64}"),
        ("cost", filters.min_cost_nanousd, "exchanges.cost_nanousd >= {cost:Int64}"),
    )
    for name, value, sql in figures:
        if value:
            where.append(sql)
            params[name] = str(value)
    if filters.failed:
        where.append("(exchanges.error_code != '' OR exchanges.status >= 400)")
    if filters.stream is not None:
        where.append("exchanges.stream" if filters.stream else "NOT exchanges.stream")


def _hits(filters: Filters, where: list[str], params: dict[str, str]) -> None:
    hits: list[str] = []
    for name in ("rule", "detector"):
        if value := getattr(filters, name):
            hits.append(f"{name} = {{{name}:String}}")
            params[name] = value
    if hits:
        where.append(_elsewhere("guard_events", _SPAN.replace("@column", "started_at"), *hits))


def _feedback(wanted: str, where: list[str], params: dict[str, str]) -> None:
    if not wanted:
        return
    name, equals, value = wanted.partition("=")
    params["judged"] = name
    judged = [_JUDGED, "name = {judged:String}"]
    if equals:
        judged.append("(label = {judgement:String} OR toString(score) = {judgement:String})")
        params["judgement"] = value
    where.append(_elsewhere("feedback", *judged))


def _text(words: Words, where: list[str], params: dict[str, str]) -> None:
    found, values = found_in(words)
    params |= values
    where.append(_elsewhere("bodies", _SPAN.replace("@column", "started_at"), found))


def _elsewhere(table: str, *conditions: str) -> str:
    return _ELSEWHERE.replace("@where", " AND ".join(conditions)).replace("@table", table)


def judge_of(filters: Filters) -> Callable[[Mapping[str, Any]], bool]:
    """What tells of a row of ``exchanges`` whether it is meant, by what the row itself holds.

    Times are not looked at.

    Raises:
        MalformedRequest: A tag is none, or what is asked for stands in another table.
    """
    for name in LOOKED_UP:
        if getattr(filters, name):
            raise MalformedRequest(f"'{name}' restricts lists only.", param=name)
    tags = _read_tags(filters.tags)
    plain = [(name, value) for name in PLAIN if (value := getattr(filters, name))]

    def is_meant(row: Mapping[str, Any]) -> bool:
        if any(row[name] != value for name, value in plain):
            return False
        if any(row["tags"].get(key, "") != value for key, value in tags):
            return False
        return (
            row["status"] >= filters.min_status
            and filters.status in (0, row["status"])
            and not (filters.failed and not row["error_code"] and row["status"] < 400)
            and filters.stream in (None, row["stream"])
            and row["duration_ms"] >= filters.min_duration_ms
            and (not filters.min_cost_nanousd or (row["cost_nanousd"] or 0) >= filters.min_cost_nanousd)
        )

    return is_meant
