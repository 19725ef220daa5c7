//! The domain: subscribers, addresses and their classes, enrichment jobs, credits, and the ICP score. No I/O.
