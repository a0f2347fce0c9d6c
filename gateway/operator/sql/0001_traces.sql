-- One spool line is one row of `ingest`; the views of 0002 fan it out. Field by field the columns are
-- gateway/core/record.py. Names are unqualified: the connection says which database.

CREATE TABLE IF NOT EXISTS ingest
(
    v UInt8,
    id UUID,
    started_us Int64,
    tenant String,
    team String,
    key_id String,
    session_id String,
    tags Map(String, String),
    dialect String,
    route String,
    alias String,
    provider String,
    deployment String,
    model_requested String,
    model_served String,
    stream Bool,
    status UInt16,
    error_code String,
    finish_reason String,
    verdict String,
    policy_revision String,
    config_hash String,
    cache String,
    usage_source String,
    input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    cached_input_tokens Nullable(UInt64),
    cache_write_tokens Nullable(UInt64),
    reasoning_tokens Nullable(UInt64),
    audio_input_tokens Nullable(UInt64),
    audio_output_tokens Nullable(UInt64),
    image_input_tokens Nullable(UInt64),
    cost_nanousd Nullable(Int64),
    ttft_ms Nullable(Float64),
    duration_ms Float64,
    overhead_ms Float64,
    chunks UInt32,
    bytes_in UInt64,
    bytes_out UInt64,
    prompt_id String,
    prompt_version String,
    coverage Float64 DEFAULT 1,
    trace_id String,
    span_id String,
    dropped_before UInt64,
    attempts Array(Tuple(
        number UInt8,
        started_us Int64,
        provider String,
        deployment String,
        kind String,
        status UInt16,
        error_code String,
        ttft_ms Nullable(Float64),
        duration_ms Float64,
        input_tokens Nullable(UInt64),
        output_tokens Nullable(UInt64),
        cost_nanousd Nullable(Int64))),
    guard_events Array(Tuple(
        rule String,
        detector String,
        action String,
        mode String,
        direction String,
        path String,
        start UInt32,
        end UInt32,
        score Nullable(Float64),
        latency_us UInt64)),
    request_body Nullable(String),
    response_body Nullable(String)
)
ENGINE = Null;

CREATE TABLE IF NOT EXISTS exchanges
(
    id UUID,
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    team LowCardinality(String),
    key_id String CODEC(ZSTD(1)),
    session_id String CODEC(ZSTD(1)),
    tags Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    dialect LowCardinality(String),
    route LowCardinality(String),
    alias LowCardinality(String),
    provider LowCardinality(String),
    deployment LowCardinality(String),
    model_requested LowCardinality(String),
    model_served LowCardinality(String),
    stream Bool,
    status UInt16,
    error_code LowCardinality(String),
    finish_reason LowCardinality(String),
    verdict LowCardinality(String),
    policy_revision LowCardinality(String),
    config_hash LowCardinality(String),
    cache Enum8('off' = 0, 'miss' = 1, 'hit-exact' = 2, 'hit-semantic' = 3, 'unknown' = 9),
    attempts UInt8,
    usage_source LowCardinality(String),
    input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    cached_input_tokens Nullable(UInt64),
    cache_write_tokens Nullable(UInt64),
    reasoning_tokens Nullable(UInt64),
    audio_input_tokens Nullable(UInt64),
    audio_output_tokens Nullable(UInt64),
    image_input_tokens Nullable(UInt64),
    cost_nanousd Nullable(Int64),
    ttft_ms Nullable(Float64),
    duration_ms Float64,
    overhead_ms Float64,
    chunks UInt32,
    bytes_in UInt64,
    bytes_out UInt64,
    prompt_id LowCardinality(String),
    prompt_version LowCardinality(String),
    coverage Float64,
    trace_id String CODEC(ZSTD(1)),
    span_id String CODEC(ZSTD(1)),
    dropped_before UInt64,
    ingested_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_session session_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_trace trace_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_arrival ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (tenant, started_at, id)
TTL toDateTime(started_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS attempts
(
    exchange_id UUID,
    number UInt8,
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    provider LowCardinality(String),
    deployment LowCardinality(String),
    kind Enum8('first' = 0, 'retry' = 1, 'fallback' = 2, 'hedge' = 3, 'mirror' = 4, 'continue' = 5, 'unknown' = 9),
    status UInt16,
    error_code LowCardinality(String),
    ttft_ms Nullable(Float64),
    duration_ms Float64,
    input_tokens Nullable(UInt64),
    output_tokens Nullable(UInt64),
    cost_nanousd Nullable(Int64),
    INDEX by_exchange exchange_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (tenant, started_at, exchange_id, number)
TTL toDateTime(started_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS guard_events
(
    exchange_id UUID,
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    rule LowCardinality(String),
    detector LowCardinality(String),
    action LowCardinality(String),
    mode LowCardinality(String),
    direction LowCardinality(String),
    path String CODEC(ZSTD(1)),
    start UInt32,
    end UInt32,
    score Nullable(Float64),
    latency_us UInt64,
    policy_revision LowCardinality(String),
    INDEX by_exchange exchange_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (tenant, started_at, exchange_id)
TTL toDateTime(started_at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS bodies
(
    exchange_id UUID,
    started_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    request_body Nullable(String) CODEC(ZSTD(3)),
    response_body Nullable(String) CODEC(ZSTD(3)),
    INDEX by_exchange exchange_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMMDD(started_at)
ORDER BY (tenant, started_at, exchange_id)
TTL toDateTime(started_at) + INTERVAL 30 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS feedback
(
    exchange_id UUID,
    created_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    name LowCardinality(String),
    score Nullable(Float64),
    label LowCardinality(String),
    comment String CODEC(ZSTD(1)),
    author LowCardinality(String),
    INDEX by_exchange exchange_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(created_at)
ORDER BY (tenant, created_at, exchange_id)
TTL toDateTime(created_at) + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS spend_by_minute
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    team LowCardinality(String),
    key_id String CODEC(ZSTD(1)),
    alias LowCardinality(String),
    provider LowCardinality(String),
    deployment LowCardinality(String),
    model_served LowCardinality(String),
    calls UInt64,
    error_calls UInt64,
    input_tokens UInt64,
    output_tokens UInt64,
    cached_input_tokens UInt64,
    reasoning_tokens UInt64,
    unknown_usage_calls UInt64,
    cost_nanousd Int64,
    priced_calls UInt64,
    unknown_cost_calls UInt64
)
ENGINE = SummingMergeTree((calls, error_calls, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens,
    unknown_usage_calls, cost_nanousd, priced_calls, unknown_cost_calls))
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant, minute, team, key_id, alias, provider, deployment, model_served)
TTL minute + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

-- A call with several tags counts once under each of them; one without tags counts under the empty key.
CREATE TABLE IF NOT EXISTS spend_by_tag_minute
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    tag_key LowCardinality(String),
    tag_value String CODEC(ZSTD(1)),
    team LowCardinality(String),
    key_id String CODEC(ZSTD(1)),
    alias LowCardinality(String),
    provider LowCardinality(String),
    deployment LowCardinality(String),
    model_served LowCardinality(String),
    calls UInt64,
    error_calls UInt64,
    input_tokens UInt64,
    output_tokens UInt64,
    cached_input_tokens UInt64,
    reasoning_tokens UInt64,
    unknown_usage_calls UInt64,
    cost_nanousd Int64,
    priced_calls UInt64,
    unknown_cost_calls UInt64
)
ENGINE = SummingMergeTree((calls, error_calls, input_tokens, output_tokens, cached_input_tokens, reasoning_tokens,
    unknown_usage_calls, cost_nanousd, priced_calls, unknown_cost_calls))
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant, minute, tag_key, tag_value, team, key_id, alias, provider, deployment, model_served)
TTL minute + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS latency_by_minute
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    alias LowCardinality(String),
    provider LowCardinality(String),
    deployment LowCardinality(String),
    model_served LowCardinality(String),
    calls SimpleAggregateFunction(sum, UInt64),
    error_calls SimpleAggregateFunction(sum, UInt64),
    duration_ms AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), Float64),
    ttft_ms AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), Nullable(Float64)),
    overhead_ms AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), Float64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant, minute, alias, provider, deployment, model_served)
TTL minute + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;
