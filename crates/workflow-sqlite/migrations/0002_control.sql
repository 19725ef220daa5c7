-- What people and other runs can do with a run.

-- The run that waits for this one.
ALTER TABLE workflow_run ADD COLUMN parent BLOB;
-- Whose turn it takes among the runs of its workflow.
ALTER TABLE workflow_run ADD COLUMN flow_key TEXT;
-- When it was first claimed.
ALTER TABLE workflow_run ADD COLUMN begun_at INTEGER;
-- Who asked it to pause, until it goes on.
ALTER TABLE workflow_run ADD COLUMN pause_by TEXT;
-- When it was paused.
ALTER TABLE workflow_run ADD COLUMN paused_at INTEGER;
-- When its delayed start was due, while it is paused.
ALTER TABLE workflow_run ADD COLUMN resume_at INTEGER;
-- How many events its inbox holds.
ALTER TABLE workflow_run ADD COLUMN buffered INTEGER NOT NULL DEFAULT 0;

CREATE INDEX workflow_run_parent ON workflow_run (parent) WHERE parent IS NOT NULL;

-- Who sent the event, or gave it to its run, by hand.
ALTER TABLE workflow_inbox ADD COLUMN sent_by TEXT;
ALTER TABLE workflow_unrouted ADD COLUMN sent_by TEXT;

-- 1 when the event was given by hand to a run that it was not addressed to: then that run's purge ends it.
ALTER TABLE workflow_event_id ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0;
CREATE INDEX workflow_event_id_by_hand ON workflow_event_id (run) WHERE by_hand = 1;
