//! The facts page, passage by passage: each case quotes what the page says, and shows that the sandbox does it.
//!
//! The page is `page.txt` beside this file. It is covered without a gap: what no case quotes is in [`NOT_SHOWN`], with
//! the reason.

/// Tests with the passage of the page that each of them shows.
macro_rules! facts {
    ($($(#[doc = $quote:literal])+ fn $name:ident() $body:block)*) => {
        /// What the cases quote.
        pub const QUOTES: &[&[&str]] = &[$(&[$($quote),+]),*];
        $(#[test] fn $name() $body)*
    };
}

mod calls;
mod errors;
mod money;
mod requests;
mod results;
mod time;
mod webhooks;

use lumina_fullenrich_sandbox::{Mood, Moods, SandboxConfig};
use serde_json::Value;

use crate::world::{World, config, crowd, refs, secs};

const PAGE: &str = include_str!("page.txt");

/// Passages that no sandbox can show, and why.
const NOT_SHOWN: &[(&str, &str)] = &[
    ("# FullEnrich API v2: the facts for reverse email lookup", "a heading"),
    (
        "Gathered from FullEnrich's public documentation and OpenAPI (August 2026) and from public clients.",
        "where the facts come from",
    ),
    (
        "**[o]** official, **[c]** seen by clients in live use, **[?]** nowhere documented: code for both readings.",
        "how to read the page",
    ),
    (
        "Unknown fields are normal: ignore them, keep the raw body.",
        "which fields nobody knows is not known; every one that is documented is sent",
    ),
    ("## Calls", "a heading"),
    ("| call | purpose | 200 body | | --- | --- | --- |", "a table's head"),
    ("## Result body = webhook body [o]", "a heading"),
    ("## Webhooks [o]", "a heading"),
    ("Constant-time compare.", "the receiver's part"),
    (
        "After a key rotation the old key may still sign [?]: accept a list of keys.",
        "nowhere documented, and for the receiver: a sandbox has one key at a time",
    ),
    ("## Errors", "a heading"),
    ("## Limits, money, time", "a heading"),
    (
        "About $0.035 to $0.058 a credit.",
        "a price list is nothing that a call shows",
    ),
    (
        "No sandbox and no test keys exist: ours must be one.",
        "about the real provider; this whole crate is the answer",
    ),
];

/// One space for any blanks, as in a quote.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Marks a passage as dealt with.
fn mark(page: &str, marked: &mut [bool], passage: &str) {
    let passage = plain(passage);
    let start = page
        .find(&passage)
        .unwrap_or_else(|| panic!("the page does not say: {passage}"));
    marked[start..start + passage.len()].fill(true);
}

#[test]
fn every_passage_is_shown_or_has_a_reason_not_to_be() {
    let page = plain(PAGE);
    let mut marked = vec![false; page.len()];
    let sections = [
        calls::QUOTES,
        requests::QUOTES,
        results::QUOTES,
        webhooks::QUOTES,
        errors::QUOTES,
        money::QUOTES,
        time::QUOTES,
    ];
    for quote in sections.into_iter().flatten() {
        mark(&page, &mut marked, &quote.join(" "));
    }
    for (passage, _) in NOT_SHOWN {
        mark(&page, &mut marked, passage);
    }
    let left: Vec<u8> = page
        .bytes()
        .zip(&marked)
        .map(|(byte, marked)| if *marked { b'\n' } else { byte })
        .collect();
    let left = String::from_utf8_lossy(&left);
    let open: Vec<&str> = left
        .lines()
        .map(|piece| piece.trim_matches([' ', '-', '|', '`']))
        .filter(|piece| !piece.is_empty())
        .collect();
    assert!(open.is_empty(), "nobody shows {open:#?}");
}

/// The provider's own pace, everybody found, and these moods at each chance.
fn moody(moods: impl IntoIterator<Item = Mood>) -> World {
    World::new(SandboxConfig {
        moods: Moods::always(moods),
        ..config()
    })
}

/// A world, and the answer for so many addresses once they are looked up.
fn looked_up(settings: SandboxConfig, count: usize) -> (World, Value) {
    let mut world = World::new(settings);
    let id = world.start_for(&refs(&crowd("r", count)));
    world.advance(secs(240));
    let answer = world.read(&id).json;
    (world, answer)
}

fn records(answer: &Value) -> &[Value] {
    answer["data"].as_array().unwrap()
}
