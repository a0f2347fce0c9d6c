-- What calls of an alias were like, hour by hour, and what comparing them said. The operator writes both itself: an hour
-- whose calls came late is written again, and the row that was made last counts. Numbers are by bins of a quarter of a
-- doubling; `prompt` is empty for all calls of the alias, whatever prompt they name.
CREATE TABLE IF NOT EXISTS drift_hours
(
    hour DateTime('UTC') CODEC(Delta, ZSTD(1)),
    alias LowCardinality(String),
    prompt String CODEC(ZSTD(1)),
    seen UInt64,
    calls UInt64,
    judged UInt64,
    blocked UInt64,
    answered UInt64,
    refused UInt64,
    input_lengths Map(UInt16, UInt64),
    output_lengths Map(UInt16, UInt64),
    costs Map(UInt16, UInt64),
    ttfts Map(UInt16, UInt64),
    models Map(String, UInt64) CODEC(ZSTD(1)),
    versions Map(String, UInt64) CODEC(ZSTD(1)),
    questions UInt64,
    answers UInt64,
    worded_refusals UInt64,
    question_languages Map(String, UInt64),
    answer_languages Map(String, UInt64),
    embedded UInt64,
    embedding Array(Float32) CODEC(ZSTD(1)),
    computed_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (alias, prompt, hour)
TTL hour + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS drift_findings
(
    at DateTime('UTC') CODEC(Delta, ZSTD(1)),
    alias LowCardinality(String),
    prompt String CODEC(ZSTD(1)),
    measure LowCardinality(String),
    state LowCardinality(String),
    against LowCardinality(String),
    now Nullable(Float64),
    usual Nullable(Float64),
    what String CODEC(ZSTD(1)),
    psi Nullable(Float64),
    shift Nullable(Float64),
    distance Nullable(Float64),
    far Float64,
    count UInt64,
    usual_count UInt64,
    judged_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, alias, prompt, measure)
TTL at + INTERVAL 400 DAY
SETTINGS non_replicated_deduplication_window = 2000, ttl_only_drop_parts = 1;
