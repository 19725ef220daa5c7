-- Money and places are counted by POST: a batch that is sent twice may be charged twice, and each is out by itself.

-- The UTC day that it counts on, and what its answer may cost at most until it says what it cost. Days are compared as
-- they are written.
ALTER TABLE enrichment_post ADD COLUMN day text COLLATE "C";
ALTER TABLE enrichment_post ADD COLUMN reserved bigint NOT NULL DEFAULT 0;
-- Until when it takes one of the places, unless its answer comes before.
ALTER TABLE enrichment_post ADD COLUMN out_until bigint;

CREATE INDEX enrichment_post_day ON enrichment_post (day) WHERE day IS NOT NULL;
CREATE INDEX enrichment_post_id ON enrichment_post (enrichment_id) WHERE enrichment_id IS NOT NULL;
CREATE INDEX enrichment_post_places ON enrichment_post (out_until) WHERE out_until IS NOT NULL;

-- Which lookup a lead is of, so that two answers to one lookup fill each other's gaps.
ALTER TABLE lead ADD COLUMN job uuid;

-- Whom a run gave up, so that what is told later finds them.
CREATE INDEX enrichment_job_stale ON enrichment_job (run) WHERE status = 'stale';

-- When the provider is asked again for the answer of a batch whose run is over, and how often it was.
ALTER TABLE enrichment ADD COLUMN ask_at bigint;
ALTER TABLE enrichment ADD COLUMN asked bigint NOT NULL DEFAULT 0;

CREATE INDEX enrichment_asked ON enrichment (ask_at) WHERE ask_at IS NOT NULL;

-- The ledger: every batch that was sent, or that nobody knows not to have been.
CREATE VIEW credit_ledger AS
SELECT
    p.run            AS run,
    p.attempt        AS attempt,
    p.enrichment_id  AS enrichment_id,
    p.posted_at      AS posted_at,
    p.day            AS day,
    p.jobs           AS jobs,
    (length(p.jobs) / 16)::bigint AS contacts,
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
