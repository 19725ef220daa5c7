-- What people and other runs can do with a run.

ALTER TABLE workflow_run
    -- The run that waits for this one.
    ADD COLUMN parent    uuid,
    -- Whose turn it takes among the runs of its workflow.
    ADD COLUMN flow_key  text COLLATE "C",
    -- When it was first claimed.
    ADD COLUMN begun_at  bigint,
    -- Who asked it to pause, until it goes on.
    ADD COLUMN pause_by  text,
    -- When it was paused.
    ADD COLUMN paused_at bigint,
    -- When its delayed start was due, while it is paused.
    ADD COLUMN resume_at bigint,
    -- How many events its inbox holds.
    ADD COLUMN buffered  bigint NOT NULL DEFAULT 0;

CREATE INDEX workflow_run_parent ON workflow_run (parent) WHERE parent IS NOT NULL;

-- Who sent the event, or gave it to its run, by hand.
ALTER TABLE workflow_inbox ADD COLUMN sent_by text;
ALTER TABLE workflow_unrouted ADD COLUMN sent_by text;

-- True when the event was given by hand to a run that it was not addressed to: then that run's purge ends it.
ALTER TABLE workflow_event_id ADD COLUMN by_hand boolean NOT NULL DEFAULT false;
CREATE INDEX workflow_event_id_by_hand ON workflow_event_id (run) WHERE by_hand;
