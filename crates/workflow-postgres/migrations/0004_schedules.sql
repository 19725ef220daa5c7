-- Runs that time starts.

CREATE TABLE workflow_schedule (
    name         text   COLLATE "C" NOT NULL PRIMARY KEY,
    workflow     text   COLLATE "C" NOT NULL,
    -- When it ticks and what becomes of its ticks, as JSON.
    spec         text   NOT NULL,
    -- What its runs are started with.
    input        text   NOT NULL,
    -- One higher for each change: who decided about an older one has decided too late.
    revision     bigint NOT NULL,
    -- The first tick that nothing was decided about.
    next_at      bigint,
    paused_by    text,
    paused_at    bigint,
    resumed_by   text,
    resumed_at   bigint,
    triggered_by text,
    triggered_at bigint,
    -- When it was no longer declared.
    removed_at   bigint,
    -- The last tick that started a run, and the last run that was started, by hand as well.
    last_tick    bigint,
    last_run     uuid,
    started      bigint NOT NULL,
    skipped      bigint NOT NULL,
    missed       bigint NOT NULL,
    triggers     bigint NOT NULL,
    created_at   bigint NOT NULL,
    updated_at   bigint NOT NULL
);

-- Runs of schedules that have not ended: a handful, found by the schedule's name, which
-- begins their start keys. Other runs pay nothing for it.
CREATE INDEX workflow_run_scheduled ON workflow_run (start_key)
    WHERE finished_at IS NULL AND substr(start_key, 1, 9) = 'schedule:';

-- Some workflows' runs are kept for a shorter time than others'.
CREATE INDEX workflow_run_ended ON workflow_run (workflow, finished_at) WHERE finished_at IS NOT NULL;
DROP INDEX workflow_run_finished;
