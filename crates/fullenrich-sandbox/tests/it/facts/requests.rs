//! The body of a POST.

use serde_json::{Value, json};

use crate::world::{BATCH_URL, BULK, CONTACT_URL, World, batch, config, crowd, refs, secs};

/// The code with which a body is refused, or nothing.
fn refusal(body: &Value) -> Option<String> {
    let answer = World::new(config()).post(BULK, body);
    (answer.status != 200).then(|| answer.json["code"].as_str().unwrap().to_owned())
}

/// A good body with one field changed, or without it.
fn with(field: &str, value: Value) -> Value {
    let mut body = batch(&["a@readers.example"]);
    let fields = body.as_object_mut().unwrap();
    match value {
        Value::Null => fields.remove(field),
        value => fields.insert(field.to_owned(), value),
    };
    body
}

fn with_custom(custom: &Value) -> Value {
    with("data", json!([{"email": "a@readers.example", "custom": custom}]))
}

facts! {
    /// Request: `name` (required, shown in FullEnrich's dashboard),
    fn the_name() {
        assert_eq!(refusal(&with("name", Value::Null)).as_deref(), Some("error.enrichment.name.empty"));
        let mut world = World::new(config());
        world.start(&with("name", json!("shown")));
        assert_eq!(world.batch_line(0).name, "shown", "the ledger is the dashboard");
    }

    /// `webhook_url` (http/https; called once when the whole batch ends),
    fn the_batch_s_webhook() {
        assert_eq!(refusal(&with("webhook_url", json!("https://inbox.example/x"))), None);
        let wrong = with("webhook_url", json!("ftp://inbox.example/x"));
        assert_eq!(refusal(&wrong).as_deref(), Some("error.enrichment.webhook_url"));
        let mut world = World::new(config());
        world.start_for(&refs(&crowd("r", 5)));
        world.advance(secs(3600));
        let arrived = world.arrivals(BATCH_URL);
        assert_eq!(arrived.len(), 1);
        assert_eq!(Some(arrived[0].at), world.batch_line(0).ended_at);
    }

    /// `webhook_events.contact_finished` (optional URL, called per contact),
    fn the_contacts_webhook() {
        let mut world = World::new(config());
        world.start_for(&refs(&crowd("r", 5)));
        world.start(&with("webhook_events", Value::Null));
        world.advance(secs(3600));
        assert_eq!(world.arrivals(CONTACT_URL).len(), 5);
    }

    /// `data` (1 to **100** items):
    fn one_to_a_hundred() {
        for (count, code) in [
            (0, Some("error.enrichment.data.empty")),
            (1, None),
            (100, None),
            (101, Some("error.enrichment.data.too_many")),
        ] {
            assert_eq!(refusal(&batch(&refs(&crowd("r", count)))).as_deref(), code, "{count}");
        }
    }

    /// `email` (required, personal or work),
    fn the_address() {
        assert_eq!(refusal(&with("data", json!([{}]))).as_deref(), Some("error.reverse.email.empty"));
        for email in ["sarah.dev@gmail.com", "sarah@readers.example"] {
            assert_eq!(refusal(&batch(&[email])), None, "{email}");
        }
    }

    /// `custom` (object; at most 10 keys, values **strings** of at most 100 characters, a number is an error; returned as sent).
    fn custom_values() {
        let keys = |count: usize| (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<Value>();
        for (custom, code) in [
            (keys(10), None),
            (keys(11), Some("error.enrichment.custom.key.exceeded")),
            (json!({"k": "ä".repeat(100)}), None),
            (json!({"k": "ä".repeat(101)}), Some("error.enrichment.custom.value.exceeded")),
            (json!({"k": 7}), Some("error.request.body")),
            (json!("text"), Some("error.request.body")),
        ] {
            assert_eq!(refusal(&with_custom(&custom)).as_deref(), code, "{custom}");
        }
        let mut world = World::new(config());
        let custom = json!({"job": "17", "Run": "ä \" \\ x"});
        let id = world.start(&with_custom(&custom));
        world.advance(secs(90));
        assert_eq!(world.read(&id).json["data"][0]["custom"], custom);
    }
}
