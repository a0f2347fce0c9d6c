-- What caches saved, beside what was spent: answers that were given again, by kind, and what asking for them would have
-- cost and taken. What another answer would have saved (shadow) is no saving. Rows of before have none: single calls
-- know it, for as long as they are kept.

DROP VIEW IF EXISTS ingest_to_spend;

ALTER TABLE spend_by_minute ADD COLUMN IF NOT EXISTS exact_hits UInt64;

ALTER TABLE spend_by_minute ADD COLUMN IF NOT EXISTS semantic_hits UInt64;

ALTER TABLE spend_by_minute ADD COLUMN IF NOT EXISTS unknown_saving_hits UInt64;

ALTER TABLE spend_by_minute ADD COLUMN IF NOT EXISTS saved_nanousd Int64;

ALTER TABLE spend_by_minute ADD COLUMN IF NOT EXISTS saved_ms UInt64;

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
        AND (status < 400 OR arrayExists(a -> a.status >= 200 AND a.status < 300, ingest.attempts))) AS unknown_cost_calls,
    countIf(ingest.cache = 'hit-exact') AS exact_hits,
    countIf(ingest.cache = 'hit-semantic') AS semantic_hits,
    countIf(ingest.cache IN ('hit-exact', 'hit-semantic') AND isNull(ingest.cached[1].saved_nanousd)) AS unknown_saving_hits,
    sumIf(ifNull(ingest.cached[1].saved_nanousd, 0), ingest.cache IN ('hit-exact', 'hit-semantic')) AS saved_nanousd,
    sumIf(toUInt64(round(ifNull(ingest.cached[1].saved_ms, 0))), ingest.cache IN ('hit-exact', 'hit-semantic')) AS saved_ms
FROM ingest
GROUP BY tenant, minute, team, key_id, alias, provider, deployment, model_served, usage_source;

DROP VIEW IF EXISTS ingest_to_spend_by_tag;

ALTER TABLE spend_by_tag_minute ADD COLUMN IF NOT EXISTS exact_hits UInt64;

ALTER TABLE spend_by_tag_minute ADD COLUMN IF NOT EXISTS semantic_hits UInt64;

ALTER TABLE spend_by_tag_minute ADD COLUMN IF NOT EXISTS unknown_saving_hits UInt64;

ALTER TABLE spend_by_tag_minute ADD COLUMN IF NOT EXISTS saved_nanousd Int64;

ALTER TABLE spend_by_tag_minute ADD COLUMN IF NOT EXISTS saved_ms UInt64;

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
        AND (status < 400 OR arrayExists(a -> a.status >= 200 AND a.status < 300, ingest.attempts))) AS unknown_cost_calls,
    countIf(ingest.cache = 'hit-exact') AS exact_hits,
    countIf(ingest.cache = 'hit-semantic') AS semantic_hits,
    countIf(ingest.cache IN ('hit-exact', 'hit-semantic') AND isNull(ingest.cached[1].saved_nanousd)) AS unknown_saving_hits,
    sumIf(ifNull(ingest.cached[1].saved_nanousd, 0), ingest.cache IN ('hit-exact', 'hit-semantic')) AS saved_nanousd,
    sumIf(toUInt64(round(ifNull(ingest.cached[1].saved_ms, 0))), ingest.cache IN ('hit-exact', 'hit-semantic')) AS saved_ms
FROM ingest
ARRAY JOIN CAST(if(empty(tags), map('', ''), tags), 'Array(Tuple(String, String))') AS tag
GROUP BY tenant, minute, tag_key, tag_value, team, key_id, alias, provider, deployment, model_served, usage_source;
