-- What is known of captured bodies: how they were kept, whom the request was for, how long they were before they were
-- cut, and how many files were left out for their digests. And whose bodies were erased, for gateways that share a
-- store: digests, never names.
ALTER TABLE ingest ADD COLUMN IF NOT EXISTS capture String AFTER guard_events;

ALTER TABLE ingest ADD COLUMN IF NOT EXISTS captured Array(Tuple(
    user String,
    request_bytes Nullable(UInt64),
    response_bytes Nullable(UInt64),
    media UInt32)) AFTER capture;

ALTER TABLE bodies ADD COLUMN IF NOT EXISTS capture LowCardinality(String) AFTER tenant;

ALTER TABLE bodies ADD COLUMN IF NOT EXISTS user_id String CODEC(ZSTD(1)) AFTER capture;

ALTER TABLE bodies ADD COLUMN IF NOT EXISTS request_bytes Nullable(UInt64) AFTER user_id;

ALTER TABLE bodies ADD COLUMN IF NOT EXISTS response_bytes Nullable(UInt64) AFTER request_bytes;

ALTER TABLE bodies ADD COLUMN IF NOT EXISTS media UInt32 AFTER response_bytes;

DROP VIEW IF EXISTS ingest_to_bodies;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_bodies TO bodies AS
SELECT
    id AS exchange_id,
    fromUnixTimestamp64Micro(started_us, 'UTC') AS started_at,
    tenant,
    ingest.capture AS capture,
    ingest.captured[1].user AS user_id,
    ingest.captured[1].request_bytes AS request_bytes,
    ingest.captured[1].response_bytes AS response_bytes,
    ingest.captured[1].media AS media,
    request_body,
    response_body
FROM ingest
WHERE isNotNull(request_body) OR isNotNull(response_body);

CREATE TABLE IF NOT EXISTS erasures
(
    id String,
    at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    kind LowCardinality(String),
    name String,
    digest FixedString(64),
    tenant Nullable(String)
)
ENGINE = MergeTree
ORDER BY (at, id)
TTL toDateTime(at) + INTERVAL 750 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;
