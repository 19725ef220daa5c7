-- Processes that execute runs. Each says now and then that it is there.
CREATE TABLE worker (
    -- As the engine notes it at the runs that it has.
    id          uuid   PRIMARY KEY,
    host        text   NOT NULL,
    pid         bigint NOT NULL,
    version     text   NOT NULL,
    -- What it was started as, such as serve.
    command     text   NOT NULL,
    started_at  bigint NOT NULL,
    seen_at     bigint NOT NULL,
    -- Since when it takes nothing new, because it is about to end.
    draining_at bigint
) WITH (fillfactor = 50);
