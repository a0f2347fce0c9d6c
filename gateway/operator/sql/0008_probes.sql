-- The gateway's own small questions to deployments: tries of a kind of their own.
ALTER TABLE attempts MODIFY COLUMN kind Enum8('first' = 0, 'retry' = 1, 'fallback' = 2, 'hedge' = 3, 'mirror' = 4, 'continue' = 5, 'probe' = 6, 'unknown' = 9);

DROP VIEW IF EXISTS ingest_to_attempts;

CREATE MATERIALIZED VIEW IF NOT EXISTS ingest_to_attempts TO attempts AS
SELECT
    id AS exchange_id,
    attempt.number AS number,
    fromUnixTimestamp64Micro(if(attempt.started_us = 0, ingest.started_us, attempt.started_us), 'UTC') AS started_at,
    tenant,
    attempt.provider AS provider,
    attempt.deployment AS deployment,
    if(attempt.kind IN ('first', 'retry', 'fallback', 'hedge', 'mirror', 'continue', 'probe'), attempt.kind, 'unknown') AS kind,
    attempt.status AS status,
    attempt.error_code AS error_code,
    attempt.ttft_ms AS ttft_ms,
    attempt.duration_ms AS duration_ms,
    attempt.input_tokens AS input_tokens,
    attempt.output_tokens AS output_tokens,
    attempt.cost_nanousd AS cost_nanousd
FROM ingest
ARRAY JOIN attempts AS attempt;
