-- Spend is told apart by where the counts come from, and by every bucket. Rows of before have an empty source: nobody
-- kept it. Both tables are made anew, without a list of columns to add up, so that a later column is added up like
-- the rest. Parts may hold equal rows that nobody has merged yet, so the copy must not take one for the other. Cut anywhere and begun again, this ends the same, since nothing is written before the views are back.

DROP VIEW IF EXISTS ingest_to_spend;

DROP TABLE IF EXISTS spend_by_minute_next;

CREATE TABLE spend_by_minute_next
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
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
    unknown_cost_calls UInt64
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant, minute, team, key_id, alias, provider, deployment, model_served, usage_source)
TTL minute + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

INSERT INTO spend_by_minute_next
    (tenant, minute, team, key_id, alias, provider, deployment, model_served,
    calls, error_calls, input_tokens, output_tokens, cached_input_tokens,
    reasoning_tokens, unknown_usage_calls, cost_nanousd, priced_calls, unknown_cost_calls)
SETTINGS insert_deduplicate = 0
SELECT tenant, minute, team, key_id, alias, provider, deployment, model_served,
    calls, error_calls, input_tokens, output_tokens, cached_input_tokens,
    reasoning_tokens, unknown_usage_calls, cost_nanousd, priced_calls, unknown_cost_calls
FROM spend_by_minute;

EXCHANGE TABLES spend_by_minute AND spend_by_minute_next;

DROP TABLE spend_by_minute_next;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_spend TO spend_by_minute AS
SELECT
    toStartOfMinute(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS minute,
    tenant, team, key_id, alias, provider, deployment, model_served, usage_source,
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
        AND (status < 400 OR arrayExists(a -> a.status >= 200 AND a.status < 300, ingest.attempts))) AS unknown_cost_calls
FROM ingest
GROUP BY tenant, minute, team, key_id, alias, provider, deployment, model_served, usage_source;

DROP VIEW IF EXISTS ingest_to_spend_by_tag;

DROP TABLE IF EXISTS spend_by_tag_minute_next;

CREATE TABLE spend_by_tag_minute_next
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
    unknown_cost_calls UInt64
)
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant, minute, tag_key, tag_value, team, key_id, alias, provider, deployment, model_served, usage_source)
TTL minute + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

INSERT INTO spend_by_tag_minute_next
    (tenant, minute, tag_key, tag_value, team, key_id, alias, provider, deployment, model_served,
    calls, error_calls, input_tokens, output_tokens, cached_input_tokens,
    reasoning_tokens, unknown_usage_calls, cost_nanousd, priced_calls, unknown_cost_calls)
SETTINGS insert_deduplicate = 0
SELECT tenant, minute, tag_key, tag_value, team, key_id, alias, provider, deployment, model_served,
    calls, error_calls, input_tokens, output_tokens, cached_input_tokens,
    reasoning_tokens, unknown_usage_calls, cost_nanousd, priced_calls, unknown_cost_calls
FROM spend_by_tag_minute;

EXCHANGE TABLES spend_by_tag_minute AND spend_by_tag_minute_next;

DROP TABLE spend_by_tag_minute_next;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_spend_by_tag TO spend_by_tag_minute AS
SELECT
    toStartOfMinute(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS minute,
    tenant,
    tag.1 AS tag_key,
    tag.2 AS tag_value,
    team, key_id, alias, provider, deployment, model_served, usage_source,
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
        AND (status < 400 OR arrayExists(a -> a.status >= 200 AND a.status < 300, ingest.attempts))) AS unknown_cost_calls
FROM ingest
ARRAY JOIN CAST(if(empty(tags), map('', ''), tags), 'Array(Tuple(String, String))') AS tag
GROUP BY tenant, minute, tag_key, tag_value, team, key_id, alias, provider, deployment, model_served, usage_source;
