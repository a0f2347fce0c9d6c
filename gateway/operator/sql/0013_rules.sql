-- How quick deployments are, by team as well; and how often rules hit, by minute: what a chart over weeks is drawn from
-- without reading a single event. Rows of before are of no team. A call's events come in one line, so calls add up.
ALTER TABLE latency_by_minute ADD COLUMN IF NOT EXISTS team LowCardinality(String) AFTER tenant,
    MODIFY ORDER BY (tenant, minute, alias, provider, deployment, model_served, team);

DROP VIEW IF EXISTS ingest_to_latency;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_latency TO latency_by_minute AS
SELECT
    toStartOfMinute(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS minute,
    tenant, team, alias, provider, deployment, model_served,
    count() AS calls,
    countIf(status >= 400) AS error_calls,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.duration_ms) AS duration_ms,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.ttft_ms) AS ttft_ms,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(ingest.overhead_ms) AS overhead_ms
FROM ingest
WHERE tags['weighbridge'] != 'mirror' AND NOT startsWith(ingest.cache, 'hit')
GROUP BY tenant, minute, team, alias, provider, deployment, model_served;

CREATE TABLE IF NOT EXISTS rules_by_minute
(
    minute DateTime('UTC') CODEC(Delta, ZSTD(1)),
    tenant LowCardinality(String),
    team LowCardinality(String),
    alias LowCardinality(String),
    rule LowCardinality(String),
    detector LowCardinality(String),
    action LowCardinality(String),
    mode LowCardinality(String),
    direction LowCardinality(String),
    policy_revision LowCardinality(String),
    hits SimpleAggregateFunction(sum, UInt64),
    calls SimpleAggregateFunction(sum, UInt64),
    score AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), Nullable(Float64)),
    latency_us AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant, minute, rule, team, alias, detector, action, mode, direction, policy_revision)
TTL minute + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_rules TO rules_by_minute AS
SELECT
    toStartOfMinute(toDateTime(intDiv(started_us, 1000000), 'UTC')) AS minute,
    tenant, team, alias,
    event.rule AS rule,
    event.detector AS detector,
    event.action AS action,
    event.mode AS mode,
    event.direction AS direction,
    policy_revision,
    count() AS hits,
    uniqExact(id) AS calls,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(event.score) AS score,
    quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(event.latency_us) AS latency_us
FROM ingest
ARRAY JOIN guard_events AS event
GROUP BY tenant, minute, rule, team, alias, detector, action, mode, direction, policy_revision;
