-- Money and places are counted by POST: a batch that is sent twice may be charged twice, and each is out by itself.

-- The UTC day that it counts on, and what its answer may cost at most until it says what it cost.
ALTER TABLE enrichment_post ADD COLUMN day TEXT;
ALTER TABLE enrichment_post ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
-- Until when it takes one of the places, unless its answer comes before.
ALTER TABLE enrichment_post ADD COLUMN out_until INTEGER;

UPDATE enrichment_post SET
    day = (SELECT day FROM batch b WHERE b.run = enrichment_post.run),
    reserved = iif(state = 'closed', 0, length(jobs) / 16),
    out_until = (SELECT slot_until FROM batch b WHERE b.run = enrichment_post.run AND b.state = 'holding');
UPDATE batch SET state = 'released' WHERE state = 'holding' AND slot_until IS NOT NULL;

CREATE INDEX enrichment_post_day ON enrichment_post (day) WHERE day IS NOT NULL;
CREATE INDEX enrichment_post_id ON enrichment_post (enrichment_id) WHERE enrichment_id IS NOT NULL;
CREATE INDEX enrichment_post_places ON enrichment_post (out_until) WHERE out_until IS NOT NULL;

-- What a batch holds now is a place for the POST that it is about to make.
DROP INDEX batch_day;
ALTER TABLE batch DROP COLUMN day;
ALTER TABLE batch DROP COLUMN reserved;
ALTER TABLE batch DROP COLUMN cost;
ALTER TABLE batch DROP COLUMN slot_until;

-- Which lookup a lead is of, so that two answers to one lookup fill each other's gaps.
ALTER TABLE lead ADD COLUMN job BLOB;

-- Whom a run gave up, so that what is told later finds them.
CREATE INDEX enrichment_job_stale ON enrichment_job (run) WHERE status = 'stale';

-- When the provider is asked again for the answer of a batch whose run is over, and how often it was.
ALTER TABLE enrichment ADD COLUMN ask_at INTEGER;
ALTER TABLE enrichment ADD COLUMN asked INTEGER NOT NULL DEFAULT 0;

UPDATE enrichment SET ask_at = registered_at WHERE ended_at IS NULL
    AND EXISTS (SELECT 1 FROM batch b WHERE b.run = enrichment.run AND b.closed_at IS NOT NULL);

CREATE INDEX enrichment_asked ON enrichment (ask_at) WHERE ask_at IS NOT NULL;

-- A pause says when it was last looked at; the configuration says how often it is.
ALTER TABLE pause RENAME COLUMN probe_at TO looked_at;
UPDATE pause SET looked_at = since;

-- The ledger: every batch that was sent, or that nobody knows not to have been.
CREATE VIEW credit_ledger AS
SELECT
    p.run            AS run,
    p.attempt        AS attempt,
    p.enrichment_id  AS enrichment_id,
    p.posted_at      AS posted_at,
    p.day            AS day,
    p.jobs           AS jobs,
    length(p.jobs) / 16 AS contacts,
    p.reserved       AS estimated,
    e.cost           AS actual,
    e.ended_at       AS ended_at,
    -- open: about to be sent. refused: the provider did not take it. not_sent: its run ended before. unknown: nobody
    -- knows whether it was accepted. running: accepted and not answered. Else the provider's last word, or gone.
    CASE
        WHEN p.state IN ('open', 'refused', 'unknown') THEN p.state
        WHEN p.state = 'closed' THEN 'not_sent'
        WHEN e.ended_at IS NULL THEN 'running'
        ELSE lower(e.status)
    END              AS outcome
FROM enrichment_post p LEFT JOIN enrichment e ON e.id = p.enrichment_id;
