-- When a POST was last made ready to leave: it reached the provider no sooner. `posted_at` says the same of one whose
-- answer was heard; of any other it is when its outcome was noted, which may be much later.
ALTER TABLE enrichment_post ADD COLUMN leaving_at INTEGER;
