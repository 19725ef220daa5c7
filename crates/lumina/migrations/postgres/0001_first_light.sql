-- Lumina's own tables, beside the engine's in one schema, so that one transaction can cover both. Times are
-- microseconds since the epoch.

-- Whoever checks something and then writes what depends on it takes the row of that first. A row is made when it is
-- taken for the first time.
CREATE TABLE turn (
    name text PRIMARY KEY
);

-- What this database is: whether its people are real or the sandbox's.
CREATE TABLE stamp (
    name  text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE subscriber (
    id         uuid    PRIMARY KEY,
    email      text    NOT NULL,
    -- Which addresses are this one.
    dedupe_key text    NOT NULL,
    class      text    NOT NULL,
    is_role    boolean NOT NULL,
    source     text    NOT NULL,
    name       text,
    metadata   text,
    created_at bigint  NOT NULL,
    updated_at bigint  NOT NULL
);

CREATE UNIQUE INDEX subscriber_dedupe_key ON subscriber (dedupe_key);

CREATE TABLE enrichment_job (
    id           uuid   PRIMARY KEY,
    subscriber   uuid   NOT NULL,
    dedupe_key   text   NOT NULL,
    status       text   NOT NULL,
    -- Which run works it off; none when nobody does.
    run          uuid,
    -- Webhook subscribers go before file rows.
    priority     bigint NOT NULL,
    -- Why it is where it is, in words.
    reason       text,
    created_at   bigint NOT NULL,
    submitted_at bigint,
    finished_at  bigint
);

-- Nobody can have two open lookups of one address.
CREATE UNIQUE INDEX enrichment_job_open ON enrichment_job (dedupe_key) WHERE status IN ('pending', 'submitted');
CREATE INDEX enrichment_job_run ON enrichment_job (run) WHERE run IS NOT NULL AND status IN ('pending', 'submitted');
CREATE INDEX enrichment_job_unowned ON enrichment_job (priority DESC, id) WHERE run IS NULL AND status = 'pending';
CREATE INDEX enrichment_job_subscriber ON enrichment_job (subscriber);

CREATE TABLE lead (
    subscriber      uuid    PRIMARY KEY,
    full_name       text,
    title           text,
    seniority       text,
    company_name    text,
    company_domain  text,
    headcount       bigint,
    headcount_range text,
    industry        text,
    linkedin_url    text,
    icp_score       bigint  NOT NULL,
    -- A JSON array of sentences.
    icp_reasons     text    NOT NULL,
    hidden_gem      boolean NOT NULL,
    enriched_at     bigint  NOT NULL
);

CREATE INDEX lead_score ON lead (icp_score DESC, subscriber);

-- The batch that jobs can still join, per channel.
CREATE TABLE open_batch (
    slot text   PRIMARY KEY,
    run  uuid   NOT NULL,
    jobs bigint NOT NULL
);

-- One row per run of the enrichment workflow: its turn, its place among what is about to be sent.
CREATE TABLE batch (
    run       uuid   PRIMARY KEY,
    -- waiting: for its turn; holding: one of the places; released.
    state     text   NOT NULL,
    priority  bigint NOT NULL,
    jobs      bigint NOT NULL DEFAULT 0,
    closed_at bigint
);

CREATE INDEX batch_waiting ON batch (priority DESC, run) WHERE state = 'waiting';
CREATE INDEX batch_open ON batch (run) WHERE closed_at IS NULL;
CREATE INDEX batch_holding ON batch (run) WHERE state = 'holding';

-- Each time a batch is sent to the provider.
CREATE TABLE enrichment_post (
    run           uuid   NOT NULL,
    attempt       bigint NOT NULL,
    -- open: not known to have been sent; accepted; unknown; closed.
    state         text   NOT NULL,
    posted_at     bigint,
    enrichment_id text,
    -- The ids of its jobs, one after the other.
    jobs          bytea  NOT NULL,
    PRIMARY KEY (run, attempt)
);

CREATE INDEX enrichment_post_out ON enrichment_post (posted_at) WHERE state IN ('accepted', 'unknown');

-- The provider's name for a batch that it accepted. Outlives the run, so that a late answer
-- finds its jobs.
CREATE TABLE enrichment (
    id            text   PRIMARY KEY,
    run           uuid   NOT NULL,
    attempt       bigint NOT NULL,
    status        text,
    cost          bigint,
    registered_at bigint NOT NULL,
    ended_at      bigint
);

CREATE INDEX enrichment_run ON enrichment (run);

-- What the provider said, as it came in, compressed.
CREATE TABLE enrichment_answer (
    id          uuid    PRIMARY KEY,
    enrichment  text    NOT NULL,
    body_hash   text    NOT NULL,
    status      text,
    is_final    boolean NOT NULL,
    -- callback, contact or poll
    source      text    NOT NULL,
    -- It is compressed already.
    body        bytea   NOT NULL,
    received_at bigint  NOT NULL,
    applied_at  bigint
);

ALTER TABLE enrichment_answer ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE UNIQUE INDEX enrichment_answer_body ON enrichment_answer (enrichment, body_hash);

-- Why nothing is being bought, while something is in the way.
CREATE TABLE pause (
    reason    text   PRIMARY KEY,
    message   text   NOT NULL,
    since     bigint NOT NULL,
    looked_at bigint NOT NULL
);

-- Deliveries that were accepted, with their body, for the time that `retention.raw` says.
CREATE TABLE delivery (
    id          uuid   PRIMARY KEY,
    route       text   NOT NULL,
    body        bytea  NOT NULL,
    received_at bigint NOT NULL
);

-- The last deliveries that were refused, without their body.
CREATE TABLE rejected_delivery (
    seq         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    route       text   NOT NULL,
    code        text   NOT NULL,
    bytes       bigint NOT NULL,
    received_at bigint NOT NULL
);

-- How often something happened, since the database was made.
CREATE TABLE counter (
    name  text   PRIMARY KEY,
    count bigint NOT NULL
);
