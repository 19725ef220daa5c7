-- Flow control: limits, pauses of whole workflows, and turns among keys.

ALTER TABLE workflow_run
    -- Whether it has its place among those in flight: 0 not yet, or not any more; 1 its counters
    -- count it; 2 it began while its workflow had no limits.
    ADD COLUMN admitted  bigint NOT NULL DEFAULT 0,
    -- Where it is held, beside the three places that it can be ready, parked or leased in: `p`
    -- while its workflow is paused, `w` at its workflow's counter, `k` and the key at its key's.
    ADD COLUMN held_in   text COLLATE "C",
    -- Its place among those that are held there, comparable with ready_rank.
    ADD COLUMN held_rank bigint,
    ADD COLUMN held_at   bigint;

CREATE INDEX workflow_run_held ON workflow_run (workflow, held_in, priority DESC, held_rank, id) WHERE held_in IS NOT NULL;
CREATE INDEX workflow_run_throttled ON workflow_run (id) WHERE held_in IS NOT NULL;

-- Timers of runs with a flow key only make them ready, so that they take their turn.
DROP INDEX workflow_run_timer;
CREATE INDEX workflow_run_timer ON workflow_run (priority DESC, wake_at, id)
    WHERE wake_at IS NOT NULL AND flow_key IS NULL;
CREATE INDEX workflow_run_keyed_timer ON workflow_run (wake_at) WHERE wake_at IS NOT NULL AND flow_key IS NOT NULL;

-- One counter for each workflow with limits or a pause, under the empty key, and one for each
-- flow key.
CREATE TABLE workflow_flow (
    workflow       text   COLLATE "C" NOT NULL,
    key            text   COLLATE "C" NOT NULL,
    in_flight      bigint NOT NULL DEFAULT 0,
    -- Runs of this key that have a place here and are held at the workflow's counter.
    promised       bigint NOT NULL DEFAULT 0,
    held           bigint NOT NULL DEFAULT 0,
    -- Runs that are held because the workflow is paused.
    paused         bigint NOT NULL DEFAULT 0,
    window_started bigint,
    window_ends    bigint,
    window_count   bigint,
    closed_by      text,
    -- From when on what is held here is worth a look.
    release_at     bigint,
    -- The limits under which it was looked at last.
    limits         text   COLLATE "C" NOT NULL DEFAULT '',
    -- The last place in the queue that a run of this key was given.
    last_rank      bigint NOT NULL DEFAULT (-9223372036854775807 - 1),
    paused_by      text,
    paused_at      bigint,
    resumed_by     text,
    resumed_at     bigint,
    PRIMARY KEY (workflow, key)
) WITH (fillfactor = 50);

CREATE INDEX workflow_flow_whole ON workflow_flow (workflow) WHERE key = '';
CREATE INDEX workflow_flow_release ON workflow_flow (workflow, release_at) WHERE release_at IS NOT NULL;
CREATE INDEX workflow_flow_held ON workflow_flow (workflow, limits) WHERE held > 0;
CREATE INDEX workflow_flow_idle ON workflow_flow (last_rank)
    WHERE in_flight = 0 AND promised = 0 AND held = 0 AND key <> '';
