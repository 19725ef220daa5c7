-- Processes that execute runs. Each says now and then that it is there.
CREATE TABLE worker (
    -- As the engine notes it at the runs that it has.
    id          BLOB    NOT NULL PRIMARY KEY,
    host        TEXT    NOT NULL,
    pid         INTEGER NOT NULL,
    version     TEXT    NOT NULL,
    -- What it was started as, such as serve.
    command     TEXT    NOT NULL,
    started_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL,
    -- Since when it takes nothing new, because it is about to end.
    draining_at INTEGER
) STRICT, WITHOUT ROWID;
