-- Ready runs by the code that they are for: a worker finds its own behind however many of others.
CREATE INDEX workflow_run_code ON workflow_run (workflow, hash, any_hash, known_since, priority DESC, ready_rank, id)
    WHERE ready_rank IS NOT NULL;
