//! The workflow engine's store on embedded SQLite.
