"""The statements of :mod:`gateway.operator.drift_book`. Values are bound, never spliced in."""

from __future__ import annotations

from gateway.core.drift import BINS_AN_OCTAVE

MOST_PROMPT = 200
# Larger bodies are not read: they would not be whole either.
_MOST_BODIES = 524_288


def _bins(value: str, condition: str) -> str:
    place = f"toUInt16(floor({BINS_AN_OCTAVE} * log2(1 + ifNull({value}, 0))))"
    return f"sumMapIf([{place}], [toUInt64(1)], isNotNull({value}) AND {condition})"


# They hold marks themselves, and come first.
_BINS = {
    "@input_lengths": _bins("input_tokens", "status < 400"),
    "@output_lengths": _bins("output_tokens", "@fresh"),
    "@costs": _bins("if(cost_nanousd < 0, NULL, cost_nanousd)", "@fresh"),
    "@ttfts": _bins("ttft_ms", "@fresh"),
}
# Copies of calls are no clients'; a list of models is no call of one. Who was turned away before rules looked has no
# verdict. An answer of the cache says nothing of how a model answers now. What providers say when a model would not, or
# when a filter of theirs cut in, is told in their own words.
_MARKS = {
    **_BINS,
    "@the_hour": "started_at >= toDateTime({hour:UInt32}, 'UTC')"
    " AND started_at < toDateTime({hour:UInt32} + 3600, 'UTC')",
    "@the_body_hour": "b.started_at >= toDateTime({hour:UInt32}, 'UTC')"
    " AND b.started_at < toDateTime({hour:UInt32} + 3600, 'UTC')",
    "@between": "started_at >= toDateTime({since:UInt32}, 'UTC') AND started_at < toDateTime({until:UInt32}, 'UTC')",
    "@counted": "alias != '' AND tags['weighbridge'] != 'mirror' AND dialect != 'openai_models'",
    "@prompt": f"left(if(prompt_id = '', tags['prompt'], prompt_id), {MOST_PROMPT})",
    "@version": f"left(if(prompt_version = '', tags['prompt_version'], prompt_version), {MOST_PROMPT})",
    "@unjudged": "('invalid_api_key', 'permission_denied', 'model_not_found', 'not_found', 'method_not_allowed',"
    " 'invalid_request', 'request_too_large', 'headers_too_large', 'request_timeout', 'rate_limited',"
    " 'budget_exceeded', 'draining')",
    "@fresh": "(@answered AND NOT startsWith(toString(cache), 'hit'))",
    "@answered": "(status < 400 AND verdict != 'block')",
    "@told": "hasAny(splitByChar(',', lower(finish_reason)), ['refusal', 'content_filter', 'content_filtered',"
    " 'safety', 'guardrail_intervened', 'prohibited_content', 'blocklist', 'spii', 'image_safety'])",
    "@most_bodies": str(_MOST_BODIES),
}


def _filled(sql: str) -> str:
    for mark, text in _MARKS.items():
        sql = sql.replace(mark, text)
    return sql


HOUR = _filled("""
SELECT
    alias, arrayJoin(if(p = '', [''], ['', p])) AS prompt, count() AS calls,
    countIf(error_code NOT IN @unjudged) AS judged, countIf(verdict = 'block') AS blocked,
    countIf(@answered) AS answered, countIf(@answered AND @told) AS refused,
    @input_lengths AS input_lengths, @output_lengths AS output_lengths, @costs AS costs, @ttfts AS ttfts,
    sumMapIf([toString(model_served)], [toUInt64(1)], @fresh AND model_served != '') AS models,
    sumMapIf([v], [toUInt64(1)], v != '') AS versions
FROM (SELECT *, @prompt AS p, @version AS v FROM exchanges WHERE @the_hour AND @counted)
GROUP BY alias, prompt
ORDER BY calls DESC, alias, prompt
LIMIT {most:UInt32}
""")
SAMPLE = _filled("""
SELECT e.dialect AS dialect, ifNull(b.request_body, '') AS request, ifNull(b.response_body, '') AS response,
    e.told AS told
FROM bodies AS b
INNER JOIN (
    SELECT id, dialect, toBool(@told) AS told FROM exchanges
    WHERE @the_hour AND @counted AND @answered AND alias = {alias:String}
        AND ({prompt:String} = '' OR @prompt = {prompt:String})
        AND id IN (SELECT exchange_id FROM bodies WHERE @the_hour)
    ORDER BY cityHash64(id) LIMIT {most:UInt32}
) AS e ON b.exchange_id = e.id
WHERE @the_body_hour AND length(request) + length(response) <= @most_bodies
""")
SEEN = _filled("""
SELECT toUnixTimestamp(toStartOfHour(started_at)) AS hour_s, count() AS calls FROM exchanges
WHERE @between AND @counted GROUP BY hour_s ORDER BY hour_s
""")
KEPT = """
SELECT toUnixTimestamp(hour) AS hour_s, argMax(seen, computed_at) AS calls FROM drift_hours
WHERE hour >= toDateTime({since:UInt32}, 'UTC') AND hour < toDateTime({until:UInt32}, 'UTC') GROUP BY hour_s
"""
SUBJECTS = """
SELECT alias, prompt, sum(calls) AS number FROM drift_hours
WHERE hour >= toDateTime({since:UInt32}, 'UTC') AND hour < toDateTime({until:UInt32}, 'UTC')
GROUP BY alias, prompt ORDER BY number DESC, alias, prompt LIMIT {most:UInt32}
"""
# Of each day the hours that end at the same time as the window does.
HOURS = """
SELECT * EXCEPT (hour, seen, computed_at), toUnixTimestamp(hour) AS hour_s FROM drift_hours
WHERE alias = {alias:String} AND prompt = {prompt:String} AND hour >= toDateTime({since:UInt32}, 'UTC')
    AND hour < toDateTime({until:UInt32}, 'UTC')
    AND ({until:UInt32} - 3600 - toUnixTimestamp(hour)) % 86400 < {inside:UInt32}
ORDER BY computed_at DESC LIMIT 1 BY hour
"""
JUDGED = "SELECT toUnixTimestamp(max(at)) AS at FROM drift_findings"
# Of each measure what was said last, and how it was in between.
LOOKED = """
SELECT alias, prompt, measure, max(at_s) AS last_s,
    argMax((state, against, now, usual, what, psi, shift, distance, far, count, usual_count), at_s) AS said,
    countIf(state = 'drifting') AS drifting_hours, minIf(at_s, state = 'drifting') AS first_drifting_s,
    maxIf(at_s, state = 'drifting') AS last_drifting_s, max(far) AS farthest
FROM (
    SELECT *, toUnixTimestamp(at) AS at_s FROM drift_findings
    WHERE at > toDateTime({since:UInt32}, 'UTC') AND at <= toDateTime({until:UInt32}, 'UTC') @only
    ORDER BY judged_at DESC LIMIT 1 BY alias, prompt, measure, at
)
GROUP BY alias, prompt, measure
ORDER BY said.1 = 'drifting' DESC, drifting_hours DESC, farthest DESC, alias, prompt, measure LIMIT {most:UInt32}
"""
