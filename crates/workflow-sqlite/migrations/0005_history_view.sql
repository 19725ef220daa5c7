-- Histories for people who ask in SQL. What the columns mean is written in docs/reference/history.md.

-- 1 when somebody has sent the run back to before it: it is kept, and counts no more.
ALTER TABLE workflow_record ADD COLUMN superseded INTEGER NOT NULL DEFAULT 0;

CREATE VIEW workflow_history AS
SELECT
    lower(substr(hex(r.run), 1, 8) || '-' || substr(hex(r.run), 9, 4) || '-' || substr(hex(r.run), 13, 4) || '-'
        || substr(hex(r.run), 17, 4) || '-' || substr(hex(r.run), 21)) AS run,
    w.workflow AS workflow,
    r.seq AS seq,
    r.phase AS phase,
    r.step AS step,
    substr(r.key, 2) AS key,
    r.kind AS kind,
    r.what AS what,
    nullif(r.attempt, 0) AS attempt,
    strftime('%Y-%m-%dT%H:%M:%S', r.started_at / 1000000, 'unixepoch') || printf('.%06dZ', r.started_at % 1000000)
        AS started_at,
    strftime('%Y-%m-%dT%H:%M:%S', r.ended_at / 1000000, 'unixepoch') || printf('.%06dZ', r.ended_at % 1000000)
        AS ended_at,
    (r.ended_at - r.started_at) / 1000.0 AS took_ms,
    CASE r.what
        WHEN 'attempt_failed' THEN
            CASE json_type(r.detail, '$.error.decision')
                WHEN 'text' THEN r.detail ->> '$.error.decision'
                ELSE (SELECT key FROM json_each(r.detail, '$.error.decision') LIMIT 1)
            END
        WHEN 'failed' THEN r.detail ->> '$.failure.kind'
        WHEN 'failing' THEN r.detail ->> '$.kind'
    END AS class,
    coalesce(r.detail ->> '$.error.code', r.detail ->> '$.failure.code',
        CASE r.what WHEN 'failing' THEN r.detail ->> '$.code' END) AS code,
    coalesce(r.detail ->> '$.error.message', r.detail ->> '$.failure.message',
        CASE r.what WHEN 'failing' THEN r.detail ->> '$.message' END) AS message,
    CASE r.what WHEN 'attempt_failed' THEN (r.detail ->> '$.delay_us') / 1000.0 END AS delay_ms,
    CASE r.what WHEN 'attempt_failed' THEN r.detail ->> '$.next_at' END AS next_at,
    CASE WHEN r.what IN ('attempt_failed', 'failed') THEN r.detail ->> '$.reason' END AS reason,
    CASE r.what WHEN 'opened' THEN r.detail ->> '$' END AS deadline,
    CASE
        WHEN r.what IN ('cancel_requested', 'paused', 'resumed') THEN r.detail ->> '$'
        WHEN r.what = 'rewound' THEN r.detail ->> '$.by'
    END AS asked_by,
    r.payload AS payload,
    nullif(lower(substr(hex(r.worker), 1, 8) || '-' || substr(hex(r.worker), 9, 4) || '-'
        || substr(hex(r.worker), 13, 4) || '-' || substr(hex(r.worker), 17, 4) || '-'
        || substr(hex(r.worker), 21)), '00000000-0000-0000-0000-000000000000') AS worker,
    r.epoch AS epoch,
    r.superseded AS superseded
FROM workflow_record AS r JOIN workflow_run AS w ON w.id = r.run;
