-- Copies of calls that were asked of another deployment, beside what the client got. A copy is an exchange of its own,
-- under the tag weighbridge=mirror; it says nothing of how long clients wait, and is left out of `latency_by_minute`.
ALTER TABLE ingest ADD COLUMN IF NOT EXISTS mirrors Array(Tuple(
    mirror_of UUID,
    real_deployment String,
    same_text Nullable(Bool),
    same_tools Nullable(Bool),
    same_finish Nullable(Bool),
    chars Nullable(UInt64),
    real_chars Nullable(UInt64),
    tool_calls Nullable(UInt32),
    real_tool_calls Nullable(UInt32),
    finish_reason String,
    real_finish_reason String,
    input_tokens Nullable(UInt64),
    real_input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    real_output_tokens Nullable(UInt64),
    cost_nanousd Nullable(Int64),
    real_cost_nanousd Nullable(Int64),
    ttft_ms Nullable(Float64),
    real_ttft_ms Nullable(Float64),
    duration_ms Float64,
    real_duration_ms Float64)) AFTER guard_events;

CREATE TABLE IF NOT EXISTS mirrors
(
    exchange_id UUID,
    mirror_of UUID,
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    alias LowCardinality(String),
    deployment LowCardinality(String),
    real_deployment LowCardinality(String),
    status UInt16,
    error_code LowCardinality(String),
    same_text Nullable(Bool),
    same_tools Nullable(Bool),
    same_finish Nullable(Bool),
    chars Nullable(UInt64),
    real_chars Nullable(UInt64),
    tool_calls Nullable(UInt32),
    real_tool_calls Nullable(UInt32),
    finish_reason LowCardinality(String),
    real_finish_reason LowCardinality(String),
    input_tokens Nullable(UInt64),
    real_input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    real_output_tokens Nullable(UInt64),
    cost_nanousd Nullable(Int64),
    real_cost_nanousd Nullable(Int64),
    ttft_ms Nullable(Float64),
    real_ttft_ms Nullable(Float64),
    duration_ms Float64,
    real_duration_ms Float64,
    INDEX by_exchange exchange_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_call mirror_of TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (alias, started_at, exchange_id)
TTL toDateTime(started_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_mirrors TO mirrors AS
SELECT
    id AS exchange_id,
    mirror.mirror_of AS mirror_of,
    fromUnixTimestamp64Micro(started_us, 'UTC') AS started_at,
    alias,
    ingest.deployment AS deployment,
    mirror.real_deployment AS real_deployment,
    ingest.status AS status,
    ingest.error_code AS error_code,
    mirror.same_text AS same_text,
    mirror.same_tools AS same_tools,
    mirror.same_finish AS same_finish,
    mirror.chars AS chars,
    mirror.real_chars AS real_chars,
    mirror.tool_calls AS tool_calls,
    mirror.real_tool_calls AS real_tool_calls,
    mirror.finish_reason AS finish_reason,
    mirror.real_finish_reason AS real_finish_reason,
    mirror.input_tokens AS input_tokens,
    mirror.real_input_tokens AS real_input_tokens,
    mirror.output_tokens AS output_tokens,
    mirror.real_output_tokens AS real_output_tokens,
    mirror.cost_nanousd AS cost_nanousd,
    mirror.real_cost_nanousd AS real_cost_nanousd,
    mirror.ttft_ms AS ttft_ms,
    mirror.real_ttft_ms AS real_ttft_ms,
    mirror.duration_ms AS duration_ms,
    mirror.real_duration_ms AS real_duration_ms
FROM ingest
ARRAY JOIN mirrors AS mirror;

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
WHERE tags['weighbridge'] != 'mirror'
GROUP BY minute, tenant, alias, provider, deployment, model_served;
