//! A durable workflow engine to embed: steps, retries, waits and error handlers that survive any crash.
