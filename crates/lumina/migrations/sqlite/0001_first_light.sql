-- Lumina's own tables, beside the engine's in one database, so that one transaction can cover
-- both. Times are microseconds since the epoch, ids are 16 bytes.

-- What this database is: whether its people are real or the sandbox's.
CREATE TABLE stamp (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE subscriber (
    id         BLOB    NOT NULL PRIMARY KEY,
    email      TEXT    NOT NULL,
    -- Which addresses are this one.
    dedupe_key TEXT    NOT NULL,
    class      TEXT    NOT NULL,
    is_role    INTEGER NOT NULL,
    source     TEXT    NOT NULL,
    name       TEXT,
    metadata   TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX subscriber_dedupe_key ON subscriber (dedupe_key);

CREATE TABLE enrichment_job (
    id           BLOB    NOT NULL PRIMARY KEY,
    subscriber   BLOB    NOT NULL,
    dedupe_key   TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    -- Which run works it off; none when nobody does.
    run          BLOB,
    -- Webhook subscribers go before file rows.
    priority     INTEGER NOT NULL,
    -- Why it is where it is, in words.
    reason       TEXT,
    created_at   INTEGER NOT NULL,
    submitted_at INTEGER,
    finished_at  INTEGER
) STRICT, WITHOUT ROWID;

-- Nobody can have two open lookups of one address.
CREATE UNIQUE INDEX enrichment_job_open ON enrichment_job (dedupe_key) WHERE status IN ('pending', 'submitted');
CREATE INDEX enrichment_job_run ON enrichment_job (run) WHERE run IS NOT NULL AND status IN ('pending', 'submitted');
CREATE INDEX enrichment_job_unowned ON enrichment_job (priority DESC, id) WHERE run IS NULL AND status = 'pending';
CREATE INDEX enrichment_job_subscriber ON enrichment_job (subscriber);

CREATE TABLE lead (
    subscriber      BLOB    NOT NULL PRIMARY KEY,
    full_name       TEXT,
    title           TEXT,
    seniority       TEXT,
    company_name    TEXT,
    company_domain  TEXT,
    headcount       INTEGER,
    headcount_range TEXT,
    industry        TEXT,
    linkedin_url    TEXT,
    icp_score       INTEGER NOT NULL,
    -- A JSON array of sentences.
    icp_reasons     TEXT    NOT NULL,
    hidden_gem      INTEGER NOT NULL,
    enriched_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX lead_score ON lead (icp_score DESC, subscriber);

-- The batch that jobs can still join, per channel.
CREATE TABLE open_batch (
    slot TEXT    NOT NULL PRIMARY KEY,
    run  BLOB    NOT NULL,
    jobs INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per run of the enrichment workflow: its turn, its place among what is out, its cost.
CREATE TABLE batch (
    run        BLOB    NOT NULL PRIMARY KEY,
    -- waiting: for its turn; holding: one of the places; released.
    state      TEXT    NOT NULL,
    priority   INTEGER NOT NULL,
    -- The place is free from this time on, whatever its run is doing.
    slot_until INTEGER,
    jobs       INTEGER NOT NULL DEFAULT 0,
    -- What the answers may cost at most, until they say what they cost. Counts on that UTC day.
    reserved   INTEGER NOT NULL DEFAULT 0,
    cost       INTEGER,
    day        TEXT,
    closed_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX batch_waiting ON batch (priority DESC, run) WHERE state = 'waiting';
CREATE INDEX batch_open ON batch (run) WHERE closed_at IS NULL;
CREATE INDEX batch_holding ON batch (run) WHERE state = 'holding';
CREATE INDEX batch_day ON batch (day) WHERE day IS NOT NULL;

-- Each time a batch is sent to the provider.
CREATE TABLE enrichment_post (
    run           BLOB    NOT NULL,
    attempt       INTEGER NOT NULL,
    -- open: not known to have been sent; accepted; unknown; closed.
    state         TEXT    NOT NULL,
    posted_at     INTEGER,
    enrichment_id TEXT,
    -- The ids of its jobs, one after the other.
    jobs          BLOB    NOT NULL,
    PRIMARY KEY (run, attempt)
) STRICT, WITHOUT ROWID;

CREATE INDEX enrichment_post_out ON enrichment_post (posted_at) WHERE state IN ('accepted', 'unknown');

-- The provider's name for a batch that it accepted. Outlives the run, so that a late answer
-- finds its jobs.
CREATE TABLE enrichment (
    id            TEXT    NOT NULL PRIMARY KEY,
    run           BLOB    NOT NULL,
    attempt       INTEGER NOT NULL,
    status        TEXT,
    cost          INTEGER,
    registered_at INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX enrichment_run ON enrichment (run);

-- What the provider said, as it came in, compressed.
CREATE TABLE enrichment_answer (
    id          BLOB    NOT NULL PRIMARY KEY,
    enrichment  TEXT    NOT NULL,
    body_hash   TEXT    NOT NULL,
    status      TEXT,
    is_final    INTEGER NOT NULL,
    -- callback, contact or poll
    source      TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    received_at INTEGER NOT NULL,
    applied_at  INTEGER
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX enrichment_answer_body ON enrichment_answer (enrichment, body_hash);

-- Why nothing is being bought, while something is in the way.
CREATE TABLE pause (
    reason   TEXT    NOT NULL PRIMARY KEY,
    message  TEXT    NOT NULL,
    since    INTEGER NOT NULL,
    probe_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Deliveries that were accepted, with their body, for the time that `retention.raw` says.
CREATE TABLE delivery (
    id          BLOB    NOT NULL PRIMARY KEY,
    route       TEXT    NOT NULL,
    body        BLOB    NOT NULL,
    received_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last deliveries that were refused, without their body.
CREATE TABLE rejected_delivery (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    route       TEXT    NOT NULL,
    code        TEXT    NOT NULL,
    bytes       INTEGER NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;

-- How often something happened, since the database was made.
CREATE TABLE counter (
    name  TEXT    NOT NULL PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
