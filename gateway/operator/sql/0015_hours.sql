-- The sums and the quantiles of 0001 by the hour, for whoever looks back over weeks: without keys, of which there are many.
-- What is there already is added up of the minutes; nothing is written before the views are back, so that a start that
-- was cut anywhere begins again and ends the same.

DROP VIEW IF EXISTS ingest_to_spend_by_hour;

DROP TABLE IF EXISTS spend_by_hour;

CREATE TABLE spend_by_hour
(
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    team LowCardinality(String),
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
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant, hour, team, alias, provider, deployment, model_served, usage_source)
TTL hour + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

INSERT INTO spend_by_hour
    (tenant, hour, team, alias, provider, deployment, model_served, usage_source,
    calls, error_calls, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens,
    image_input_tokens, unknown_usage_calls, cost_nanousd, priced_calls, unknown_cost_calls, exact_hits, semantic_hits, unknown_saving_hits, saved_nanousd, saved_ms)
SETTINGS insert_deduplicate = 0
SELECT tenant, toStartOfHour(minute) AS hour, team, alias, provider, deployment, model_served, usage_source,
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
GROUP BY tenant, hour, team, alias, provider, deployment, model_served, usage_source;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_spend_by_hour TO spend_by_hour AS
SELECT
    toStartOfHour(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS hour,
    tenant, team, alias, provider, deployment, model_served, usage_source,
    count() AS calls,
    countIf(status >= 400) AS error_calls,
    sum(ifNull(ingest.input_tokens, 0)) AS input_tokens,
    sum(ifNull(ingest.output_tokens, 0)) AS output_tokens,
    sum(ifNull(ingest.cached_input_tokens, 0)) AS cached_input_tokens,
    sum(ifNull(ingest.cache_write_tokens, 0)) AS cache_write_tokens,
    sum(ifNull(ingest.reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifNull(ingest.audio_input_tokens, 0)) AS audio_input_tokens,
    sum(ifNull(ingest.audio_output_tokens, 0)) AS audio_output_tokens,
    sum(ifNull(ingest.image_input_tokens, 0)) AS image_input_tokens,
    countIf(status < 400 AND isNull(ingest.input_tokens)) AS unknown_usage_calls,
    sum(ifNull(ingest.cost_nanousd, 0)) AS cost_nanousd,
    countIf(isNotNull(ingest.cost_nanousd)) AS priced_calls,
    countIf(isNull(ingest.cost_nanousd) AND model_requested != '' AND dialect != 'openai_models'
        AND (status < 400 OR arrayExists(a -> a.status >= 200 AND a.status < 300, ingest.attempts))) AS unknown_cost_calls,
    countIf(ingest.cache = 'hit-exact') AS exact_hits,
    countIf(ingest.cache = 'hit-semantic') AS semantic_hits,
    countIf(ingest.cache IN ('hit-exact', 'hit-semantic') AND isNull(ingest.cached[1].saved_nanousd)) AS unknown_saving_hits,
    sumIf(ifNull(ingest.cached[1].saved_nanousd, 0), ingest.cache IN ('hit-exact', 'hit-semantic')) AS saved_nanousd,
    sumIf(toUInt64(round(ifNull(ingest.cached[1].saved_ms, 0))), ingest.cache IN ('hit-exact', 'hit-semantic')) AS saved_ms
FROM ingest
GROUP BY tenant, hour, team, alias, provider, deployment, model_served, usage_source;

DROP VIEW IF EXISTS ingest_to_latency_by_hour;

DROP TABLE IF EXISTS latency_by_hour;

CREATE TABLE latency_by_hour
(
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
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
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant, hour, alias, provider, deployment, model_served)
TTL hour + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

INSERT INTO latency_by_hour
    (tenant, hour, alias, provider, deployment, model_served, calls, error_calls, duration_ms, ttft_ms, overhead_ms)
SETTINGS insert_deduplicate = 0
SELECT tenant, toStartOfHour(minute) AS hour, alias, provider, deployment, model_served,
    sum(calls),
    sum(error_calls),
    quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99)(duration_ms),
    quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99)(ttft_ms),
    quantilesTDigestMergeState(0.5, 0.9, 0.95, 0.99)(overhead_ms)
FROM latency_by_minute
GROUP BY tenant, hour, alias, provider, deployment, model_served;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_latency_by_hour TO latency_by_hour AS
SELECT
    toStartOfHour(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS hour,
    tenant, alias, provider, deployment, model_served,
    count() AS calls,
    countIf(status >= 400) AS error_calls,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.duration_ms) AS duration_ms,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.ttft_ms) AS ttft_ms,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.overhead_ms) AS overhead_ms
FROM ingest
WHERE tags['weighbridge'] != 'mirror' AND NOT startsWith(ingest.cache, 'hit')
GROUP BY tenant, hour, alias, provider, deployment, model_served;
