-- From `ingest` to everything else. A value that an Enum does not know becomes 'unknown': a ledger that refuses a
-- line because another room learnt a new word would lose money.

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_exchanges TO exchanges AS
SELECT
    id,
    fromUnixTimestamp64Micro(started_us, 'UTC') AS started_at,
    tenant, team, key_id, session_id, tags, dialect, route, alias, provider, deployment, model_requested, model_served,
    stream, status, error_code, finish_reason, verdict, policy_revision, config_hash,
    if(ingest.cache IN ('off', 'miss', 'hit-exact', 'hit-semantic'), ingest.cache, 'unknown') AS cache,
    toUInt8(least(length(ingest.attempts), 255)) AS attempts,
    usage_source, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens,
    audio_input_tokens, audio_output_tokens, image_input_tokens, cost_nanousd, ttft_ms, duration_ms, overhead_ms,
    chunks, bytes_in, bytes_out, prompt_id, prompt_version, coverage, trace_id, span_id, dropped_before,
    now64(6, 'UTC') AS ingested_at
FROM ingest;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_attempts TO attempts AS
SELECT
    id AS exchange_id,
    attempt.number AS number,
    fromUnixTimestamp64Micro(if(attempt.started_us = 0, ingest.started_us, attempt.started_us), 'UTC') AS started_at,
    tenant,
    attempt.provider AS provider,
    attempt.deployment AS deployment,
    if(attempt.kind IN ('first', 'retry', 'fallback', 'hedge', 'mirror', 'continue'), attempt.kind, 'unknown') AS kind,
    attempt.status AS status,
    attempt.error_code AS error_code,
    attempt.ttft_ms AS ttft_ms,
    attempt.duration_ms AS duration_ms,
    attempt.input_tokens AS input_tokens,
    attempt.output_tokens AS output_tokens,
    attempt.cost_nanousd AS cost_nanousd
FROM ingest
ARRAY JOIN attempts AS attempt;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_guard_events TO guard_events AS
SELECT
    id AS exchange_id,
    fromUnixTimestamp64Micro(started_us, 'UTC') AS started_at,
    tenant,
    event.rule AS rule,
    event.detector AS detector,
    event.action AS action,
    event.mode AS mode,
    event.direction AS direction,
    event.path AS path,
    event.start AS start,
    event.end AS end,
    event.score AS score,
    event.latency_us AS latency_us,
    policy_revision
FROM ingest
ARRAY JOIN guard_events AS event;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_bodies TO bodies AS
SELECT
    id AS exchange_id,
    fromUnixTimestamp64Micro(started_us, 'UTC') AS started_at,
    tenant,
    request_body,
    response_body
FROM ingest
WHERE isNotNull(request_body) OR isNotNull(response_body);

-- A cost is unknown when nobody priced a call that a provider may charge for: one that went well, or one that we
-- turned back after a provider had answered.
CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_spend TO spend_by_minute AS
SELECT
    toStartOfMinute(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS minute,
    tenant, team, key_id, alias, provider, deployment, model_served,
    count() AS calls,
    countIf(status >= 400) AS error_calls,
    sum(ifNull(ingest.input_tokens, 0)) AS input_tokens,
    sum(ifNull(ingest.output_tokens, 0)) AS output_tokens,
    sum(ifNull(ingest.cached_input_tokens, 0)) AS cached_input_tokens,
    sum(ifNull(ingest.reasoning_tokens, 0)) AS reasoning_tokens,
    countIf(status < 400 AND isNull(ingest.input_tokens)) AS unknown_usage_calls,
    sum(ifNull(ingest.cost_nanousd, 0)) AS cost_nanousd,
    countIf(isNotNull(ingest.cost_nanousd)) AS priced_calls,
    countIf(isNull(ingest.cost_nanousd) AND model_requested != '' AND dialect != 'openai_models'
        AND (status < 400 OR arrayExists(a -> a.status >= 200 AND a.status < 300, ingest.attempts))) AS unknown_cost_calls
FROM ingest
GROUP BY minute, tenant, team, key_id, alias, provider, deployment, model_served;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_spend_by_tag TO spend_by_tag_minute AS
SELECT
    toStartOfMinute(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS minute,
    tenant,
    tag.1 AS tag_key,
    tag.2 AS tag_value,
    team, key_id, alias, provider, deployment, model_served,
    count() AS calls,
    countIf(status >= 400) AS error_calls,
    sum(ifNull(ingest.input_tokens, 0)) AS input_tokens,
    sum(ifNull(ingest.output_tokens, 0)) AS output_tokens,
    sum(ifNull(ingest.cached_input_tokens, 0)) AS cached_input_tokens,
    sum(ifNull(ingest.reasoning_tokens, 0)) AS reasoning_tokens,
    countIf(status < 400 AND isNull(ingest.input_tokens)) AS unknown_usage_calls,
    sum(ifNull(ingest.cost_nanousd, 0)) AS cost_nanousd,
    countIf(isNotNull(ingest.cost_nanousd)) AS priced_calls,
    countIf(isNull(ingest.cost_nanousd) AND model_requested != '' AND dialect != 'openai_models'
        AND (status < 400 OR arrayExists(a -> a.status >= 200 AND a.status < 300, ingest.attempts))) AS unknown_cost_calls
FROM ingest
ARRAY JOIN CAST(if(empty(tags), map('', ''), tags), 'Array(Tuple(String, String))') AS tag
GROUP BY minute, tenant, tag_key, tag_value, team, key_id, alias, provider, deployment, model_served;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_latency TO latency_by_minute AS
SELECT
    toStartOfMinute(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS minute,
    tenant, alias, provider, deployment, model_served,
    count() AS calls,
    countIf(status >= 400) AS error_calls,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.duration_ms) AS duration_ms,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.ttft_ms) AS ttft_ms,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.overhead_ms) AS overhead_ms
FROM ingest
GROUP BY minute, tenant, alias, provider, deployment, model_served;
