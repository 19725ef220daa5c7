//! What strangers write.

use lumina_workflow::store::{Change, Delivery, Outcome};
use lumina_workflow::{CorrelationKey, Payload};
use lumina_workflow_postgres::testing::Database;

use crate::opened::*;

/// PostgreSQL's texts have no NUL; an id that has one is an id all the same, and costs no other member of its group.
#[tokio::test]
async fn a_text_may_have_any_character() {
    let database = Database::empty("engine");
    let store = open(database.options()).await;
    let odd = ["a\0b", "a\u{10FFFF}0b", "a\u{10FFFF}\0b", "\0", "\u{1}'\"\\"];
    let lease = running(&store, 1).await;
    let keys = odd.map(|text| CorrelationKey::new(text, text));
    let mut register = bare(lease, 0, lumina_workflow::store::Next::Running);
    register.keys = keys.to_vec();
    apply(&store, Change::Advance(register)).await.unwrap();
    for (text, key) in odd.iter().zip(keys) {
        let mut sent = event(text, key).with_key(*text).sent_by(*text);
        sent.name = (*text).to_owned();
        sent.payload = Payload::encode(text).unwrap();
        for delivery in [Delivery::Routed(lease.run), Delivery::Duplicate] {
            let answer = apply(&store, Change::Emit(sent.clone())).await;
            assert_eq!(answer, Ok(Outcome::Emitted(delivery)), "{text:?}");
        }
    }
    assert_eq!(inbox_ids(&store, Some(lease.run)).await, odd);
}
