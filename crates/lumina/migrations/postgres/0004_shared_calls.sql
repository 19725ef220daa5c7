-- How many calls of the provider were made in a minute, and until when none is. All processes count here.
CREATE TABLE provider_calls (
    name       text   PRIMARY KEY,
    -- Minutes since the epoch.
    minute     bigint NOT NULL,
    used       bigint NOT NULL,
    held_until bigint NOT NULL
);
