-- The sums of 0001 by the day, with keys: whoever asks what keys cost looks back over weeks, and by the hour keys make
-- nearly as many rows as there are calls. The view adds up what reaches the sums by minute, which is less than what
-- reaches `ingest`: a later version that fills `spend_by_minute` anew must drop it first.

DROP VIEW IF EXISTS spend_minutes_to_days;

DROP TABLE IF EXISTS spend_by_key_day;

CREATE TABLE spend_by_key_day
(
    day DateTime('UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    team LowCardinality(String),
    key_id String CODEC(ZSTD(1)),
    alias LowCardinality(String),
    provider LowCardinality(String),
    deployment LowCardinality(String),
    model_served LowCardinality(String),
    usage_source LowCardinality(String),
    calls UInt64,
    error_calls UInt64,
    input_tokens UInt64,
    output_tokens UInt64,
    cached_input_tokens UInt64,
    cache_write_tokens UInt64,
    reasoning_tokens UInt64,
    audio_input_tokens UInt64,
    audio_output_tokens UInt64,
    image_input_tokens UInt64,
    unknown_usage_calls UInt64,
    cost_nanousd Int64,
    priced_calls UInt64,
    unknown_cost_calls UInt64,
    exact_hits UInt64,
    semantic_hits UInt64,
    unknown_saving_hits UInt64,
    saved_nanousd Int64,
    saved_ms UInt64
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (tenant, day, team, key_id, alias, provider, deployment, model_served, usage_source)
TTL day + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

INSERT INTO spend_by_key_day
    (day, tenant, team, key_id, alias, provider, deployment, model_served, usage_source,
    calls, error_calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens,
    audio_input_tokens, audio_output_tokens, image_input_tokens, unknown_usage_calls, cost_nanousd, priced_calls,
    unknown_cost_calls, exact_hits, semantic_hits, unknown_saving_hits, saved_nanousd, saved_ms)
SETTINGS insert_deduplicate = 0
SELECT toStartOfDay(minute) AS day, tenant, team, key_id, alias, provider, deployment, model_served, usage_source,
    sum(calls),
    sum(error_calls),
    sum(input_tokens),
    sum(output_tokens),
    sum(cached_input_tokens),
    sum(cache_write_tokens),
    sum(reasoning_tokens),
    sum(audio_input_tokens),
    sum(audio_output_tokens),
    sum(image_input_tokens),
    sum(unknown_usage_calls),
    sum(cost_nanousd),
    sum(priced_calls),
    sum(unknown_cost_calls),
    sum(exact_hits),
    sum(semantic_hits),
    sum(unknown_saving_hits),
    sum(saved_nanousd),
    sum(saved_ms)
FROM spend_by_minute
GROUP BY day, tenant, team, key_id, alias, provider, deployment, model_served, usage_source;

CREATE MATERIALIZED VIEW IF NOT EXISTS spend_minutes_to_days TO spend_by_key_day AS
SELECT
    toStartOfDay(spend_by_minute.minute) AS day,
    tenant, team, key_id, alias, provider, deployment, model_served, usage_source,
    sum(spend_by_minute.calls) AS calls,
    sum(spend_by_minute.error_calls) AS error_calls,
    sum(spend_by_minute.input_tokens) AS input_tokens,
    sum(spend_by_minute.output_tokens) AS output_tokens,
    sum(spend_by_minute.cached_input_tokens) AS cached_input_tokens,
    sum(spend_by_minute.cache_write_tokens) AS cache_write_tokens,
    sum(spend_by_minute.reasoning_tokens) AS reasoning_tokens,
    sum(spend_by_minute.audio_input_tokens) AS audio_input_tokens,
    sum(spend_by_minute.audio_output_tokens) AS audio_output_tokens,
    sum(spend_by_minute.image_input_tokens) AS image_input_tokens,
    sum(spend_by_minute.unknown_usage_calls) AS unknown_usage_calls,
    sum(spend_by_minute.cost_nanousd) AS cost_nanousd,
    sum(spend_by_minute.priced_calls) AS priced_calls,
    sum(spend_by_minute.unknown_cost_calls) AS unknown_cost_calls,
    sum(spend_by_minute.exact_hits) AS exact_hits,
    sum(spend_by_minute.semantic_hits) AS semantic_hits,
    sum(spend_by_minute.unknown_saving_hits) AS unknown_saving_hits,
    sum(spend_by_minute.saved_nanousd) AS saved_nanousd,
    sum(spend_by_minute.saved_ms) AS saved_ms
FROM spend_by_minute
GROUP BY day, tenant, team, key_id, alias, provider, deployment, model_served, usage_source;
