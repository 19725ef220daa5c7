//! A client for FullEnrich's v2 reverse email lookup.
