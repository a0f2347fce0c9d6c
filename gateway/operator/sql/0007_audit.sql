-- Who changed what: every change that somebody made through the operator plane or the command line. Nothing is ever
-- changed or deleted here; a line that was sent twice, after a crash, is one row.
CREATE TABLE IF NOT EXISTS audit
(
    id UUID,
    at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    who String CODEC(ZSTD(1)),
    role LowCardinality(String),
    action LowCardinality(String),
    object String CODEC(ZSTD(1)),
    before String CODEC(ZSTD(1)),
    after String CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, id)
SETTINGS non_replicated_deduplication_window = 2000;
