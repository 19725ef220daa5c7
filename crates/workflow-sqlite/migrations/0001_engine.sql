-- The workflow engine's tables. Times are microseconds since the epoch, ids are 16 bytes,
-- a definition's hash is its 64 bits read as a signed number. Indices are partial, so that a
-- run pays only for what it is doing: ready runs, open timers and leases each have one.

CREATE TABLE workflow_run (
    id            BLOB    NOT NULL PRIMARY KEY,
    epoch         INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    inbox         INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    phase         TEXT    NOT NULL,
    priority      INTEGER NOT NULL,
    -- At most one of these three has a value: when it became ready, when its timer is due,
    -- when its lease ends.
    ready_rank    INTEGER,
    wake_at       INTEGER,
    lease_until   INTEGER,
    hash          INTEGER NOT NULL,
    known_since   INTEGER NOT NULL,
    -- The inbox counter in the answer to its last advance.
    answered      INTEGER NOT NULL,
    -- 1 when any worker that has the workflow may claim it, whatever the hash.
    any_hash      INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    failing_since INTEGER,
    worker        BLOB,
    workflow      TEXT    NOT NULL,
    start_key     TEXT,
    -- The keys it held, as a JSON array of [namespace, key]; still there when it has ended,
    -- because the purge goes by it.
    keys          TEXT,
    cancel_by     TEXT,
    blocked       TEXT,
    failure       TEXT,
    output        TEXT,
    input         TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX workflow_run_ready ON workflow_run (priority DESC, ready_rank) WHERE ready_rank IS NOT NULL;
CREATE INDEX workflow_run_timer ON workflow_run (priority DESC, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX workflow_run_lease ON workflow_run (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX workflow_run_finished ON workflow_run (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX workflow_run_blocked ON workflow_run (workflow) WHERE blocked IS NOT NULL;
CREATE INDEX workflow_run_failed ON workflow_run (id) WHERE failure IS NOT NULL;
CREATE UNIQUE INDEX workflow_run_start_key ON workflow_run (workflow, start_key) WHERE start_key IS NOT NULL;

-- The definition hashes under which a run was blocked since somebody last let it try again:
-- each has had its turn.
CREATE TABLE workflow_tried (
    run  BLOB    NOT NULL,
    hash INTEGER NOT NULL,
    PRIMARY KEY (run, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE workflow_record (
    run        BLOB    NOT NULL,
    seq        INTEGER NOT NULL,
    phase      TEXT    NOT NULL,
    ordinal    INTEGER,
    step       TEXT,
    key        TEXT,
    kind       TEXT,
    what       TEXT    NOT NULL,
    attempt    INTEGER NOT NULL,
    payload    TEXT,
    detail     TEXT,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    worker     BLOB    NOT NULL,
    epoch      INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- Which live run holds a correlation key.
CREATE TABLE workflow_key (
    namespace TEXT NOT NULL,
    key       TEXT NOT NULL,
    run       BLOB NOT NULL,
    PRIMARY KEY (namespace, key)
) STRICT, WITHOUT ROWID;

-- An event's target is (scope, scope_key): a run's id as a blob and an empty text, or a key's
-- namespace as a text and the key. A blob never equals a text, so the two cannot be confused.

-- Every event id that was seen, per target, until its run or the unrouted event is purged.
CREATE TABLE workflow_event_id (
    scope     ANY  NOT NULL,
    scope_key TEXT NOT NULL,
    id        TEXT NOT NULL,
    -- The run that a keyed event went to.
    run       BLOB,
    PRIMARY KEY (scope, scope_key, id)
) STRICT, WITHOUT ROWID;

-- The last number given to an event. Numbers tell which event was stored first, wherever it
-- is; some are left out.
CREATE TABLE workflow_event_seq (
    last INTEGER NOT NULL
) STRICT;

INSERT INTO workflow_event_seq VALUES (0);

-- Events that a run has and has not consumed.
CREATE TABLE workflow_inbox (
    run         BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    id          TEXT    NOT NULL,
    scope       ANY     NOT NULL,
    scope_key   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    key         TEXT,
    payload     TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- Events that nobody has claimed yet.
CREATE TABLE workflow_unrouted (
    seq         INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL,
    scope       ANY     NOT NULL,
    scope_key   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    key         TEXT,
    payload     TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX workflow_unrouted_target ON workflow_unrouted (scope, scope_key);
CREATE INDEX workflow_unrouted_expiry ON workflow_unrouted (expires_at);

-- The answers of changes that are nothing but an attachment, in the order they came in.
CREATE TABLE workflow_applied (
    seq     INTEGER PRIMARY KEY,
    id      BLOB    NOT NULL UNIQUE,
    payload TEXT,
    at      INTEGER NOT NULL
) STRICT;
