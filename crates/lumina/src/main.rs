//! Lumina finds the people behind a newsletter's personal email addresses.

fn main() {}
