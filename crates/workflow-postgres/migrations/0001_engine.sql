-- The workflow engine's tables, in the schema that is ours alone. Times are microseconds since the epoch, as in the
-- engine's other stores, so that both reckon alike and nothing is rounded on the way. A definition's hash is its 64
-- bits read as a signed number. Texts are compared byte by byte, whatever the database's language. Indices are
-- partial, so that a run pays only for what it is doing: ready runs, open timers and leases each have one. Where many
-- can be equal, the id decides: what a claim gets does not hang on how the server finds it.

-- The one clock. A transaction of a test can set its own time, for itself alone.
CREATE FUNCTION now_micros() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(
        nullif(current_setting('lumina.now', true), '')::bigint,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
$$;

CREATE TABLE workflow_run (
    id            uuid    NOT NULL PRIMARY KEY,
    epoch         bigint  NOT NULL,
    seq           bigint  NOT NULL,
    inbox         bigint  NOT NULL,
    priority      bigint  NOT NULL,
    -- At most one of these three has a value: when it became ready, when its timer is due,
    -- when its lease ends.
    ready_rank    bigint,
    wake_at       bigint,
    lease_until   bigint,
    hash          bigint  NOT NULL,
    known_since   bigint  NOT NULL,
    -- The inbox counter in the answer to its last advance.
    answered      bigint  NOT NULL,
    -- True when any worker that has the workflow may claim it, whatever the hash.
    any_hash      boolean NOT NULL,
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL,
    finished_at   bigint,
    failing_since bigint,
    worker        uuid,
    status        text    COLLATE "C" NOT NULL,
    phase         text    COLLATE "C" NOT NULL,
    workflow      text    COLLATE "C" NOT NULL,
    start_key     text    COLLATE "C",
    -- The keys it held, as a JSON array of [namespace, key]; still there when it has ended,
    -- because the purge goes by it.
    keys          text,
    cancel_by     text,
    blocked       text,
    failure       text,
    output        text,
    input         text    NOT NULL
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 1);

CREATE INDEX workflow_run_ready ON workflow_run (priority DESC, ready_rank, id) WHERE ready_rank IS NOT NULL;
CREATE INDEX workflow_run_timer ON workflow_run (priority DESC, wake_at, id) WHERE wake_at IS NOT NULL;
CREATE INDEX workflow_run_lease ON workflow_run (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX workflow_run_finished ON workflow_run (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX workflow_run_blocked ON workflow_run (workflow) WHERE blocked IS NOT NULL;
CREATE INDEX workflow_run_failed ON workflow_run (id) WHERE failure IS NOT NULL;
CREATE UNIQUE INDEX workflow_run_start_key ON workflow_run (workflow, start_key) WHERE start_key IS NOT NULL;

-- The definition hashes under which a run was blocked since somebody last let it try again:
-- each has had its turn.
CREATE TABLE workflow_tried (
    run  uuid   NOT NULL,
    hash bigint NOT NULL,
    PRIMARY KEY (run, hash)
);

CREATE TABLE workflow_record (
    run        uuid   NOT NULL,
    seq        bigint NOT NULL,
    ordinal    bigint,
    attempt    bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at   bigint NOT NULL,
    epoch      bigint NOT NULL,
    worker     uuid   NOT NULL,
    phase      text   NOT NULL,
    step       text,
    key        text,
    kind       text,
    what       text   NOT NULL,
    payload    text,
    detail     text,
    PRIMARY KEY (run, seq)
);

-- Which live run holds a correlation key.
CREATE TABLE workflow_key (
    namespace text COLLATE "C" NOT NULL,
    key       text COLLATE "C" NOT NULL,
    run       uuid NOT NULL,
    PRIMARY KEY (namespace, key)
);

-- An event's target is (scope, scope_key): `r` and a run's id, or `k` with a key's namespace and the key.

-- Every event id that was seen, per target, until its run or the unrouted event is purged.
CREATE TABLE workflow_event_id (
    scope     text COLLATE "C" NOT NULL,
    scope_key text COLLATE "C" NOT NULL,
    id        text COLLATE "C" NOT NULL,
    -- The run that a keyed event went to.
    run       uuid,
    PRIMARY KEY (scope, scope_key, id)
);

-- Numbers tell which event of a target was stored first, wherever it is; some are left out. One is drawn only when
-- the target is locked, so that nobody sees a higher number of a target before a lower one.
CREATE SEQUENCE workflow_event_seq;

-- Events that a run has and has not consumed.
CREATE TABLE workflow_inbox (
    run         uuid   NOT NULL,
    seq         bigint NOT NULL,
    received_at bigint NOT NULL,
    expires_at  bigint NOT NULL,
    id          text   COLLATE "C" NOT NULL,
    scope       text   COLLATE "C" NOT NULL,
    scope_key   text   COLLATE "C" NOT NULL,
    name        text   NOT NULL,
    key         text,
    payload     text   NOT NULL,
    PRIMARY KEY (run, seq)
);

-- Events that nobody has claimed yet.
CREATE TABLE workflow_unrouted (
    seq         bigint NOT NULL PRIMARY KEY,
    received_at bigint NOT NULL,
    expires_at  bigint NOT NULL,
    id          text   COLLATE "C" NOT NULL,
    scope       text   COLLATE "C" NOT NULL,
    scope_key   text   COLLATE "C" NOT NULL,
    name        text   NOT NULL,
    key         text,
    payload     text   NOT NULL
);

CREATE INDEX workflow_unrouted_target ON workflow_unrouted (scope, scope_key);
CREATE INDEX workflow_unrouted_expiry ON workflow_unrouted (expires_at);

-- The answers of changes that are nothing but an attachment.
CREATE TABLE workflow_applied (
    id      uuid   NOT NULL PRIMARY KEY,
    at      bigint NOT NULL,
    payload text
);

CREATE INDEX workflow_applied_age ON workflow_applied (at);
