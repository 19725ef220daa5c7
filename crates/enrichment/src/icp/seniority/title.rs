//! The rank in a title.

use super::Seniority;
use super::vocabulary::{
    follows_no_head, follows_no_lead, follows_no_partner, is_assistant, is_beginner, is_chief_abbreviation,
    is_genitive, is_not_now, is_owned_at_work, is_preposition, is_servant, plain_rank, precedes_no_partner,
    takes_rank_away,
};
use super::words::{Clause, clauses, fold};

/// The highest rank of all clauses.
pub(super) fn rank(title: &str) -> Seniority {
    let clauses = clauses(&fold(title));
    clauses.iter().map(rank_clause).max().unwrap_or(Seniority::Other)
}

fn rank_clause(clause: &Clause) -> Seniority {
    let is_withdrawn = |phrase: &Vec<String>| !phrase.is_empty() && phrase.iter().all(|word| is_not_now(word));
    // "CEO (retired)": the bracket speaks of what stands before it.
    if clause.phrases.iter().skip(1).any(is_withdrawn) {
        return Seniority::Other;
    }
    let mut best = Seniority::Other;
    for phrase in &clause.phrases {
        let (own, serves) = own_words(phrase);
        best = best.max(rank_phrase(own));
        // Whoever is served is often a list: "Assistant to the CEO, CFO and COO".
        if serves {
            break;
        }
    }
    best
}

/// The words up to those about somebody else or another time, and whether somebody is served.
fn own_words(phrase: &[String]) -> (&[String], bool) {
    let serves_at = phrase
        .windows(2)
        .position(|pair| is_servant(&pair[0]) && is_genitive(&pair[1]));
    let not_now_at = phrase.iter().position(|word| is_not_now(word));
    match (serves_at, not_now_at) {
        (Some(at), Some(gone)) if gone <= at => (&phrase[..gone], true),
        (Some(at), _) => (&phrase[..=at], true),
        (None, Some(gone)) => (&phrase[..gone], false),
        (None, None) => (phrase, false),
    }
}

/// A phrase joins positions with "and", each of which goes up to its preposition.
fn rank_phrase(words: &[String]) -> Seniority {
    let parts = words.split(|word| is_and(word)).map(before_preposition);
    // "Chief Product and Technology Officer" is one title; split, neither half would be.
    let whole = before_preposition(words);
    let chief_at = (0..whole.len()).find(|at| is_chief_officer(&whole[*at..]));
    let whole = chief_at.map_or(Seniority::Other, |_| Seniority::CLevel);
    parts.map(rank_position).max().unwrap_or(Seniority::Other).max(whole)
}

fn is_and(word: &str) -> bool {
    matches!(word, "and" | "und" | "et" | "y" | "e" | "en" | "i")
}

fn before_preposition(words: &[String]) -> &[String] {
    let end = words
        .iter()
        .position(|word| is_preposition(word))
        .unwrap_or(words.len());
    &words[..end]
}

fn rank_position(words: &[String]) -> Seniority {
    if words.iter().any(|word| is_beginner(word)) {
        return Seniority::Other;
    }
    let ranks = (0..words.len()).filter_map(|at| rank_at(words, at));
    let best = ranks.max().unwrap_or(Seniority::Other);
    if words.iter().any(|word| is_assistant(word)) {
        assistants_rank(best)
    } else {
        best
    }
}

/// An assistant director directs less than a director; whoever assists a chief is no chief at all.
fn assistants_rank(rank: Seniority) -> Seniority {
    if rank > Seniority::Vp {
        Seniority::Other
    } else {
        rank.min(Seniority::Manager)
    }
}

/// The rank that the word at this place gives, read with its neighbours.
fn rank_at(words: &[String], at: usize) -> Option<Seniority> {
    let word = words[at].as_str();
    let before = at.checked_sub(1).map_or("", |n| words[n].as_str());
    let after = words.get(at + 1).map_or("", String::as_str);
    let rank = if is_chief_abbreviation(word) || is_chief_officer(&words[at..]) {
        Seniority::CLevel
    } else {
        rank_of_word(word, before, after)?
    };
    let is_taken = rank > Seniority::Vp && takes_rank_away(after);
    (!is_taken).then_some(rank)
}

fn rank_of_word(word: &str, before: &str, after: &str) -> Option<Seniority> {
    match word {
        "president" | "presidente" | "prasident" | "prasidentin" => Some(president(before)),
        "director" | "direktor" if before == "managing" => Some(Seniority::CLevel),
        "directeur" | "directrice" | "director" | "directora" | "direttore" | "diretor"
            if matches!(after, "general" | "generale" | "geral") =>
        {
            Some(Seniority::CLevel)
        }
        "amministratore" if after == "delegato" => Some(Seniority::CLevel),
        "avp" => Some(Seniority::Manager),
        // A chief architect or chief economist is high among specialists, and no officer.
        "chief" if !after.is_empty() => Some(Seniority::Senior),
        "owner" if is_owned_at_work(before) => None,
        "partner" if precedes_no_partner(before) || follows_no_partner(after) => None,
        "head" if follows_no_head(after) => None,
        "lead" if follows_no_lead(after) => None,
        // An account manager manages customers, alone.
        "manager" | "mgr" if before == "account" => None,
        _ => plain_rank(word),
    }
}

fn president(before: &str) -> Seniority {
    if matches!(before, "vice" | "vize") {
        Seniority::Vp
    } else {
        Seniority::CLevel
    }
}

/// `chief ... officer` with up to six words between, or `chief executive`.
fn is_chief_officer(words: &[String]) -> bool {
    const LONGEST: usize = 8;
    if words.first().map(String::as_str) != Some("chief") {
        return false;
    }
    let second = words.get(1).map(String::as_str);
    second == Some("executive") || words.iter().take(LONGEST).any(|word| word == "officer")
}
