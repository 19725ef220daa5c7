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
-- How many events its inbox holds.
ALTER TABLE workflow_run ADD COLUMN buffered INTEGER NOT NULL DEFAULT 0;

-- Who sent the event by hand.
ALTER TABLE workflow_inbox ADD COLUMN sent_by TEXT;
ALTER TABLE workflow_unrouted ADD COLUMN sent_by TEXT;
