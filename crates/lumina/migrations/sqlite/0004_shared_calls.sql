-- How many calls of the provider were made in a minute, and until when none is. On a server all processes count here; the
-- one that executes a file counts by itself.
CREATE TABLE provider_calls (
    name       TEXT    NOT NULL PRIMARY KEY,
    -- Minutes since the epoch.
    minute     INTEGER NOT NULL,
    used       INTEGER NOT NULL,
    held_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
