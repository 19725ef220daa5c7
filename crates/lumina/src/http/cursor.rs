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

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0198_6400_0000_7000_8000_0000_0000_00ff);

    #[test]
    fn what_was_handed_out_is_read_again() {
        for score in [0, 7, 100, 255] {
            assert_eq!(read_lead(&of_lead(score, ID)), Ok((score, ID)));
        }
        assert_eq!(read_workflow(&of_workflow(ID)), Ok(ID));
        for seq in [0, 1, 200, i64::MAX as u64] {
            assert_eq!(read_place(&of_place(seq)), Ok(seq));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let hyphens = format!("w{ID}");
        let of_other_lists = [of_lead(9, ID), of_workflow(ID), of_place(9)];
        let texts = [
            "",
            "l",
            "l6",
            "lé4",
            "l61zz",
            "w",
            "w00",
            "h",
            "h-1",
            "h+1",
            "hffffffffffffffff",
            "h1 ",
            &hyphens,
        ];
        for text in texts {
            assert!(read_lead(text).is_err(), "{text:?}");
            assert!(read_workflow(text).is_err(), "{text:?}");
            assert!(read_place(text).is_err(), "{text:?}");
        }
        for (number, text) in of_other_lists.iter().enumerate() {
            assert_eq!(read_lead(text).is_ok(), number == 0, "{text}");
            assert_eq!(read_workflow(text).is_ok(), number == 1, "{text}");
            assert_eq!(read_place(text).is_ok(), number == 2, "{text}");
        }
    }
}
