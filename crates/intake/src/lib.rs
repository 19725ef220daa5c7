//! Bytes to intake rows: subscriber files and newsletter webhooks.
