//! Where a page ended, as an opaque word. A letter before it keeps the cursors of different lists apart.

use uuid::Uuid;

use super::error::ApiError;

/// After this lead.
pub(super) fn of_lead(score: u8, id: Uuid) -> String {
    format!("l{score:02x}{}", id.simple())
}

/// The score and the id that [`of_lead`] was given.
pub(super) fn read_lead(text: &str) -> Result<(u8, Uuid), ApiError> {
    let read = || {
        let (score, id) = text.strip_prefix('l')?.split_at_checked(2)?;
        Some((u8::from_str_radix(score, 16).ok()?, read_id(id)?))
    };
    read().ok_or_else(unknown)
}

/// After this workflow.
pub(super) fn of_workflow(id: Uuid) -> String {
    format!("w{}", id.simple())
}

/// The id that [`of_workflow`] was given.
pub(super) fn read_workflow(text: &str) -> Result<Uuid, ApiError> {
    text.strip_prefix('w').and_then(read_id).ok_or_else(unknown)
}

/// After this place in a history.
pub(super) fn of_place(seq: u64) -> String {
    format!("h{seq:x}")
}

/// The place that [`of_place`] was given.
pub(super) fn read_place(text: &str) -> Result<u64, ApiError> {
    let digits = text.strip_prefix('h').filter(|digits| !digits.starts_with('+'));
    let place = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    // What a database cannot count to was never handed out.
    place.filter(|place| i64::try_from(*place).is_ok()).ok_or_else(unknown)
}

fn read_id(digits: &str) -> Option<Uuid> {
    Uuid::try_parse(digits).ok().filter(|_| digits.len() == 32)
}

fn unknown() -> ApiError {
    let problem = "it is none; send the `nextCursor` of an answer of this list, or leave it out to begin";
    ApiError::invalid_query("cursor", problem)
}
