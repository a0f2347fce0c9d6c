-- The split that a caller is in, and its arm there: what A/B tests and canaries are told apart by.
ALTER TABLE ingest ADD COLUMN IF NOT EXISTS split String AFTER alias;

ALTER TABLE ingest ADD COLUMN IF NOT EXISTS arm String AFTER split;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS split LowCardinality(String) AFTER alias;

ALTER TABLE exchanges ADD COLUMN IF NOT EXISTS arm LowCardinality(String) AFTER split;

DROP VIEW IF EXISTS ingest_to_exchanges;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_exchanges TO exchanges AS
SELECT
    id,
    fromUnixTimestamp64Micro(started_us, 'UTC') AS started_at,
    tenant, team, key_id, session_id, tags, dialect, route, alias, split, arm, provider, deployment, model_requested, model_served,
    stream, status, error_code, finish_reason, verdict, policy_revision, config_hash,
    if(ingest.cache IN ('off', 'miss', 'hit-exact', 'hit-semantic'), ingest.cache, 'unknown') AS cache,
    toUInt8(least(length(ingest.attempts), 255)) AS attempts,
    usage_source, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens,
    audio_input_tokens, audio_output_tokens, image_input_tokens, cost_nanousd, ttft_ms, duration_ms, overhead_ms,
    chunks, responses, bytes_in, bytes_out, prompt_id, prompt_version, coverage, released_chars, dropped_fields,
    trace_id, span_id, dropped_before,
    now64(6, 'UTC') AS ingested_at
FROM ingest;
