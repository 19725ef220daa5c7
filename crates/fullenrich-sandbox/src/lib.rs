//! A local FullEnrich that keeps the real one's rules, with invented people.
