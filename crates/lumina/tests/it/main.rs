//! Lumina from the outside: the real application over a real database file. Folders mirror `src`.

mod http;
mod support;
