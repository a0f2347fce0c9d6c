"""Exchanges that never were, made by the engine itself and sent through the same views as real ones.

Forty teams, four hundred keys, fifteen deployments, agent runs, bodies of a kilobyte: skewed as traffic is, and drawn
from the number of the call, so that two runs make the same rows but for the days they stand on.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from gateway.plugin.traces import TraceDriver

# Rows of one insert: each makes a part of every table, and the engine merges them as it does those of a shipper.
SLICE_ROWS = 250_000
# A word that stands in one body of a hundred thousand, and one in every second.
RARE_WORD, COMMON_WORD = "osprey", "invoice"
RUNS_AN_HOUR = 6
TEAMS, KEYS, PLACES = 40, 400, 15

_SAID = (
    "the of and to in is for that with on as are this be by from or an at not have it will can we you your please what"
    " how when which why table report order customer refund delivery ticket account balance contract meeting summary"
    " draft answer question model token price budget team policy rule guard request error retry server client network"
    " latency deploy release branch review merge commit build test python function class module import return value"
    " list string number query index column row database schema migration backup restore monitor alert metric trace"
    " span session agent tool search browse read write edit file folder path name date time day week month year hour"
    " minute second first third large small fast slow high low open closed new old"
)
_WORDS = _SAID.split()
_PHRASES = 512


def _phrases() -> str:
    """Phrases of ten words, common ones more often, as an array of the engine's."""
    drawn = random.Random(1)
    pick = [" ".join(_WORDS[int(len(_WORDS) * drawn.random() ** 2)] for _ in range(10)) for _ in range(_PHRASES)]
    return f"splitByChar('|', '{'|'.join(pick)}')"


def _draw(seed: int, of: int) -> str:
    """A number below ``of`` that belongs to the call."""
    return f"(cityHash64(number, {seed}) % {of})"


def _skewed(seed: int, of: int) -> str:
    """The same, small ones far more often."""
    return f"toUInt32(floor({of} * pow({_draw(seed, 1_000_003)} / 1000003, 3)))"


def _text(phrases: int, seed: int) -> str:
    """So many phrases."""
    at = f"1 + cityHash64(number, i + {seed}) % {_PHRASES}"
    return f"arrayStringConcat(arrayMap(i -> @phrases[{at}], range({phrases})), ' ')"


_VERB = "SELECT"
_PICKED = f"""
        number,
        @start_us + toInt64((number - @first) * (@span_us / @rows)) AS started,
        {_skewed(1, KEYS)} AS key,
        key % {TEAMS} AS team,
        {_skewed(3, PLACES)} AS place,
        {_draw(4, 1000)} AS luck,
        {_draw(5, 1000)} AS judged,
        {_draw(6, 100)} < 60 AS streamed,
        exp(6.2 + 0.9 * sqrt(-2 * log(({_draw(7, 1_000_003)} + 1) / 1000004)) * cos({_draw(8, 9973)} / 1587.2)) AS took,
        toUInt64(20 + exp(5.5 + {_draw(9, 3000)} / 1000)) AS asked_tokens,
        toUInt64(5 + exp(3.5 + {_draw(10, 2500)} / 1000)) AS said_tokens,
        multiIf(luck < 970, 200, luck < 982, 429, luck < 990, 502, luck < 995, 500, 400) AS answered,
        multiIf(answered = 400, 'block', judged < 40, 'edit', judged < 50, 'annotate', 'allow') AS verdict,
        {_draw(11, 10)} = 0 AND answered = 200 AS at_hand,
        number % 4 != 0 AS of_a_run,
        concat('run-', toString(intDiv(started, 3600000000)), '-', toString(team), '-',
            toString({_draw(12, RUNS_AN_HOUR)})) AS run,
        concat('deploy-', toString(place), '/model-', toString(place % 8)) AS deployment,
        concat('alias-', toString(place % 6)) AS alias,
        concat(leftPad(lower(hex(toUInt64(intDiv(started, 1000)))), 12, '0'), lower(hex(cityHash64(number, 20))),
            lower(hex(cityHash64(number, 21)))) AS digits
"""
_FROM_NUMBERS = "FROM numbers(@first, @rows)"
_NUMBERS = f"{_VERB} {_PICKED} {_FROM_NUMBERS}"
_ID = (
    "toUUID(concat(substring(digits, 1, 8), '-', substring(digits, 9, 4), '-7', substring(digits, 13, 3), '-a',"
    " substring(digits, 16, 3), '-', substring(digits, 19, 12)))"
)
_ASKED = (
    'concat(\'{"model":"\', alias, \'","messages":[{"role":"user","content":"\','
    f" if({_draw(15, 100_000)} = 0, '{RARE_WORD} ', ''), if({_draw(16, 2)} = 0, '{COMMON_WORD} ', ''),"
    f" 'case ', toString(cityHash64(number, 31)), ' ', {_text(9, 1000)}, '\"}}]}}')"
)
_ANSWERED = (
    'concat(\'{"id":"chatcmpl-\', toString(number), \'","object":"chat.completion","choices":[{"index":0,'
    f'"message":{{"role":"assistant","content":"\', {_text(5, 2000)}, \'"}},"finish_reason":"stop"}}]}}\')'
)
_COLUMNS = {
    "v": "1",
    "id": _ID,
    "started_us": "started",
    "tenant": "if(team < 30, 'acme', 'globex')",
    "team": "concat('team-', toString(team))",
    "key_id": "concat('key-', toString(key))",
    "session_id": "if(of_a_run, run, '')",
    "tags": "map('app', concat('app-', toString(key % 60)))",
    "dialect": "'openai_chat'",
    "route": "'/v1/chat/completions'",
    "alias": "alias",
    "provider": "concat('deploy-', toString(place))",
    "deployment": "deployment",
    "model_requested": "alias",
    "model_served": "concat('model-', toString(place % 8), '-2026-07-01')",
    "stream": "streamed",
    "status": "answered",
    "error_code": "multiIf(answered = 429, 'rate_limited', answered = 502, 'upstream_error', answered = 500,"
    " 'internal_error', answered = 400, 'policy_blocked', '')",
    "finish_reason": f"multiIf(answered != 200, '', {_draw(13, 4)} = 0, 'tool_calls', 'stop')",
    "verdict": "verdict",
    "policy_revision": "'3f1c9a7be2d4'",
    "config_hash": "'77aa01bc'",
    "cache": "if(at_hand, if(key % 3 = 0, 'hit-semantic', 'hit-exact'), 'miss')",
    "cached": "if(at_hand, [('', 'p', NULL, NULL, [], '', 60, toInt64(said_tokens * 600), took)], [])",
    "usage_source": "'reported'",
    "input_tokens": "if(answered = 200, asked_tokens, NULL)",
    "output_tokens": "if(answered = 200, if(at_hand, 0, said_tokens), NULL)",
    "cached_input_tokens": "if(answered = 200, intDiv(asked_tokens, 3), NULL)",
    "cost_nanousd": "if(answered = 200, if(at_hand, 0, toInt64(asked_tokens * 150 + said_tokens * 600)), NULL)",
    "ttft_ms": "if(streamed AND answered = 200, took / 5, NULL)",
    "duration_ms": "took",
    "overhead_ms": f"0.3 + ({_draw(14, 100)} / 500)",
    "chunks": "if(streamed, said_tokens, 0)",
    "bytes_in": "asked_tokens * 4",
    "bytes_out": "said_tokens * 4",
    "coverage": "1",
    "trace_id": "if(of_a_run, lower(hex(MD5(run))), '')",
    "span_id": "if(of_a_run, lower(hex(cityHash64(number, 30))), '')",
    "attempts": "if(answered = 400 OR at_hand, [], [(1, started + 300, concat('deploy-', toString(place)), deployment,"
    " 'first', answered, '', if(streamed, took / 5, NULL), took - 1, asked_tokens, said_tokens, NULL)])",
    "guard_events": "if(verdict = 'allow', [], [('no-keys', 'keys', if(verdict = 'edit', 'redact', verdict), 'enforce',"
    " 'request', 'messages/0/content', 10, 40, NULL, 40)])",
    "request_body": f"if(answered = 400, NULL, {_ASKED})",
    "response_body": f"if(answered = 200, {_ANSWERED}, NULL)",
}
_SETTINGS = (
    "SETTINGS max_threads = 2, max_insert_threads = 1, max_block_size = 62500, min_insert_block_size_rows = 250000,"
    " min_insert_block_size_bytes = 0, max_partitions_per_insert_block = 0"
)
_INSERT = " ".join(
    (
        f"INSERT INTO ingest ({', '.join(_COLUMNS)})",
        _SETTINGS,
        "SELECT",
        ", ".join(_COLUMNS.values()),
        f"FROM ({_NUMBERS})",
    )
)
_JUDGED = (
    "INSERT INTO feedback SELECT id, started_at + 60, tenant, 'helpful', toFloat64(cityHash64(id) % 2), '', '', ''"
    " FROM exchanges WHERE cityHash64(id, 1) % 200 = 0"
)


async def make(driver: TraceDriver, rows: int, days: int, until_s: int, told: Callable[[int], None]) -> None:
    """Fill a store that has its tables.

    Args:
        driver: The engine.
        rows: Exchanges.
        days: They are spread over so many.
        until_s: The last one is about then, seconds since 1970.
        told: Is given how many there are, now and then.
    """
    span_us = days * 86_400_000_000
    start_us = until_s * 1_000_000 - span_us
    phrases = _phrases()
    # What is merged on the way is merged again and again; once at the end costs a third.
    await driver.command("SYSTEM STOP MERGES")
    for first in range(0, rows, SLICE_ROWS):
        some = min(SLICE_ROWS, rows - first)
        marks = {
            "@phrases": phrases,
            "@first": str(first),
            "@rows": str(some),
            "@start_us": str(start_us + span_us * first // rows),
            "@span_us": str(span_us * some // rows),
        }
        statement = _INSERT
        for mark, value in marks.items():
            statement = statement.replace(mark, value)
        await driver.command(statement)
        told(first + some)
    await driver.command(_JUDGED)
    await driver.command("SYSTEM START MERGES")
