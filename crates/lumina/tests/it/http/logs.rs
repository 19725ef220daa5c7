//! What the log says of requests.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{ANY_SECRET, Call, TOKEN, TestApp, add_any_source, get};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged at this level while somebody delivers, well and badly.
async fn log_at(level: Level) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let test = TestApp::with(add_any_source).await;
    test.send(Call::any_source(r#"{"email":"sarah@gmail.com"}"#)).await.ok();
    test.send(Call::any_source(r#"{"email":"sarah"}"#)).await;
    test.send(get("/api/leads").authorized()).await.ok();
    test.send(get("/api/leads")).await;
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn no_secret_and_no_address_is_logged() {
    for level in [Level::INFO, Level::DEBUG] {
        let log = log_at(level).await;
        for secret in [ANY_SECRET, TOKEN, "sarah"] {
            assert!(!log.contains(secret), "{level}: {log}");
        }
        let tells_requests = log.contains("path=\"/api/webhooks/newsletters/any\"");
        assert_eq!(tells_requests, level == Level::DEBUG, "{level}: {log}");
    }
}
