-- Histories for people who ask in SQL. What the columns mean is written in docs/reference/history.md.

-- True when somebody has sent the run back to before it: it is kept, and counts no more.
ALTER TABLE workflow_record ADD COLUMN superseded boolean NOT NULL DEFAULT false;

CREATE VIEW workflow_history AS
SELECT
    r.run::text AS run,
    w.workflow AS workflow,
    r.seq AS seq,
    r.phase AS phase,
    r.step AS step,
    substr(r.key, 2) AS key,
    r.kind AS kind,
    r.what AS what,
    nullif(r.attempt, 0) AS attempt,
    to_char(to_timestamp(0) AT TIME ZONE 'UTC' + r.started_at * interval '1 microsecond',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS started_at,
    to_char(to_timestamp(0) AT TIME ZONE 'UTC' + r.ended_at * interval '1 microsecond',
        'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS ended_at,
    (r.ended_at - r.started_at) / 1000.0::double precision AS took_ms,
    CASE r.what
        WHEN 'attempt_failed' THEN
            CASE json_typeof(d.detail #> '{error,decision}')
                WHEN 'string' THEN d.detail #>> '{error,decision}'
                WHEN 'object' THEN (SELECT k FROM json_object_keys(d.detail #> '{error,decision}') AS k LIMIT 1)
            END
        WHEN 'failed' THEN d.detail #>> '{failure,kind}'
        WHEN 'failing' THEN d.detail #>> '{kind}'
    END AS class,
    coalesce(d.detail #>> '{error,code}', d.detail #>> '{failure,code}',
        CASE r.what WHEN 'failing' THEN d.detail #>> '{code}' END)::bigint AS code,
    coalesce(d.detail #>> '{error,message}', d.detail #>> '{failure,message}',
        CASE r.what WHEN 'failing' THEN d.detail #>> '{message}' END) AS message,
    CASE r.what WHEN 'attempt_failed' THEN (d.detail #>> '{delay_us}')::bigint / 1000.0::double precision END
        AS delay_ms,
    CASE r.what WHEN 'attempt_failed' THEN d.detail #>> '{next_at}' END AS next_at,
    CASE WHEN r.what IN ('attempt_failed', 'failed') THEN d.detail #>> '{reason}' END AS reason,
    CASE r.what WHEN 'opened' THEN d.detail #>> '{}' END AS deadline,
    CASE
        WHEN r.what IN ('cancel_requested', 'paused', 'resumed') THEN d.detail #>> '{}'
        WHEN r.what = 'rewound' THEN d.detail #>> '{by}'
    END AS asked_by,
    r.payload AS payload,
    nullif(r.worker, '00000000-0000-0000-0000-000000000000')::text AS worker,
    r.epoch AS epoch,
    r.superseded AS superseded
FROM workflow_record AS r
    JOIN workflow_run AS w ON w.id = r.run
    -- A text in PostgreSQL has no NUL, and neither has one that is taken out of JSON.
    CROSS JOIN LATERAL (SELECT replace(r.detail, '\u0000', '\ufffd')::json AS detail) AS d;
