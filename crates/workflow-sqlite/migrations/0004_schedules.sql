-- Runs that time starts.

CREATE TABLE workflow_schedule (
    name         TEXT    NOT NULL PRIMARY KEY,
    workflow     TEXT    NOT NULL,
    -- When it ticks and what becomes of its ticks, as JSON.
    spec         TEXT    NOT NULL,
    -- What its runs are started with.
    input        TEXT    NOT NULL,
    -- One higher for each change: who decided about an older one has decided too late.
    revision     INTEGER NOT NULL,
    -- The first tick that nothing was decided about.
    next_at      INTEGER,
    paused_by    TEXT,
    paused_at    INTEGER,
    resumed_by   TEXT,
    resumed_at   INTEGER,
    triggered_by TEXT,
    triggered_at INTEGER,
    -- When it was no longer declared.
    removed_at   INTEGER,
    -- The last tick that started a run, and the last run that was started, by hand as well.
    last_tick    INTEGER,
    last_run     BLOB,
    started      INTEGER NOT NULL,
    skipped      INTEGER NOT NULL,
    missed       INTEGER NOT NULL,
    triggers     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Runs of schedules that have not ended: a handful, found by the schedule's name, which
-- begins their start keys. Other runs pay nothing for it.
CREATE INDEX workflow_run_scheduled ON workflow_run (start_key)
    WHERE finished_at IS NULL AND substr(start_key, 1, 9) = 'schedule:';

-- Some workflows' runs are kept for a shorter time than others'.
CREATE INDEX workflow_run_ended ON workflow_run (workflow, finished_at) WHERE finished_at IS NOT NULL;
DROP INDEX workflow_run_finished;
