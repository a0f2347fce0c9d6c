-- What a cache made of a call: whose answer it gave, or would have given. How long a hit takes is nothing that its
-- deployment could help, so hits are left out of `latency_by_minute`.
ALTER TABLE ingest ADD COLUMN IF NOT EXISTS cached Array(Tuple(
    origin String,
    partition String,
    similarity Nullable(Float64),
    chance Nullable(Float64),
    guards Array(String),
    shadow String,
    age_s Nullable(UInt64),
    saved_nanousd Nullable(Int64),
    saved_ms Nullable(Float64))) AFTER cache;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_origin String AFTER cache;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_partition LowCardinality(String) AFTER cache_origin;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_similarity Nullable(Float64) AFTER cache_partition;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_chance Nullable(Float64) AFTER cache_similarity;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_guards Array(LowCardinality(String)) AFTER cache_chance;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_shadow LowCardinality(String) AFTER cache_guards;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_age_s Nullable(UInt64) AFTER cache_shadow;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_saved_nanousd Nullable(Int64) AFTER cache_age_s;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS cache_saved_ms Nullable(Float64) AFTER cache_saved_nanousd;

DROP VIEW IF EXISTS ingest_to_exchanges;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_exchanges TO exchanges AS
SELECT
    id,
    fromUnixTimestamp64Micro(started_us, 'UTC') AS started_at,
    tenant, team, key_id, session_id, tags, dialect, route, alias, split, arm, provider, deployment, model_requested, model_served,
    stream, status, error_code, finish_reason, verdict, policy_revision, config_hash,
    if(ingest.cache IN ('off', 'miss', 'hit-exact', 'hit-semantic'), ingest.cache, 'unknown') AS cache,
    ingest.cached[1].origin AS cache_origin,
    ingest.cached[1].partition AS cache_partition,
    ingest.cached[1].similarity AS cache_similarity,
    ingest.cached[1].chance AS cache_chance,
    ingest.cached[1].guards AS cache_guards,
    ingest.cached[1].shadow AS cache_shadow,
    ingest.cached[1].age_s AS cache_age_s,
    ingest.cached[1].saved_nanousd AS cache_saved_nanousd,
    ingest.cached[1].saved_ms AS cache_saved_ms,
    toUInt8(least(length(ingest.attempts), 255)) AS attempts,
    usage_source, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens,
    audio_input_tokens, audio_output_tokens, image_input_tokens, cost_nanousd, ttft_ms, duration_ms, overhead_ms,
    chunks, responses, bytes_in, bytes_out, prompt_id, prompt_version, coverage, released_chars, dropped_fields,
    trace_id, span_id, dropped_before,
    now64(6, 'UTC') AS ingested_at
FROM ingest;

DROP VIEW IF EXISTS ingest_to_latency;

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
WHERE tags['weighbridge'] != 'mirror' AND NOT startsWith(ingest.cache, 'hit')
GROUP BY minute, tenant, alias, provider, deployment, model_served;
