//! Webhooks: one subscriber each.

use std::sync::atomic::Ordering;
use std::time::Duration;

use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use super::Shared;
use crate::configuration::SUBSCRIBE_SECRET;
use crate::dice::Dice;
use crate::http::{Answer, Request};
use crate::world::Subscriber;

/// Platforms do not wait long for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Of a hundred webhooks, so many are sent twice at the same time, and so many are of somebody who was accepted before.
const TWICE_PERCENT: u64 = 12;
const KNOWN_PERCENT: u64 = 8;

/// Sends one after the other until it is over.
pub(super) fn send_on(shared: &Shared, mut dice: Dice) {
    while !shared.is_over() {
        let subscriber = shared.people.invent(&mut dice);
        if dice.chance(TWICE_PERCENT) {
            send_twice(shared, &mut dice, &subscriber);
        } else {
            shared.insist(&mut dice, vec![subscriber.clone()], || send(shared, &subscriber));
        }
        if dice.chance(KNOWN_PERCENT)
            && let Some(known) = shared.somebody(&mut dice)
        {
            shared.duplicates.fetch_add(1, Ordering::SeqCst);
            send(shared, &known);
        }
        shared.pause(dice.millis(shared.feeding.pauses.clone()));
    }
}

/// The same delivery twice at the same time, until one of them is taken.
fn send_twice(shared: &Shared, dice: &mut Dice, subscriber: &Subscriber) {
    shared.duplicates.fetch_add(1, Ordering::SeqCst);
    shared.insist(dice, vec![subscriber.clone()], || {
        std::thread::scope(|scope| {
            let other = scope.spawn(|| send(shared, subscriber));
            let is_taken = send(shared, subscriber);
            other.join().unwrap_or(false) || is_taken
        })
    });
}

/// Whether it was answered with 2xx.
fn send(shared: &Shared, subscriber: &Subscriber) -> bool {
    let request = make_request(&subscriber.email).within(PATIENCE);
    request
        .send(shared.place.serve)
        .is_ok_and(|answer: Answer| answer.is_success())
}

fn make_request(email: &str) -> Request {
    let body = json!({"email": email, "source": "chaos", "timestamp": "2026-08-01T12:00:00Z"}).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SUBSCRIBE_SECRET.as_bytes()).expect("a key may have any length");
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Request::new("POST", "/api/webhooks/subscribe")
        .header("x-webhook-signature", &signature)
        .body(body)
}
