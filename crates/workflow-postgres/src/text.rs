//! Texts as PostgreSQL can keep them: it has no NUL, and strangers choose ids and names.

use std::borrow::Cow;

/// Begins what stands for a character that cannot be stored as it is. No text of anybody has it: it is no character.
const ESCAPE: char = '\u{10FFFF}';

/// A text of the engine's as its tables keep it. For programs that put rows there by other ways than the store's.
///
/// ```
/// use lumina_workflow_postgres::stored_text;
///
/// assert_eq!(stored_text("as it is"), "as it is");
/// assert_eq!(stored_text("a\0b"), "a\u{10FFFF}0b");
/// ```
#[must_use]
pub fn write(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match char {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            _ => stored.push(char),
        }
    }
    Cow::Owned(stored)
}

/// The same for one that may be owned.
pub(crate) fn write_cow(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => write(text),
        Cow::Owned(text) if is_plain(&text) => Cow::Owned(text),
        Cow::Owned(text) => Cow::Owned(write(&text).into_owned()),
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(['\0', ESCAPE])
}

/// A stored text as it was given.
pub(crate) fn read(stored: &str) -> Cow<'_, str> {
    if !stored.contains(ESCAPE) {
        return Cow::Borrowed(stored);
    }
    let mut text = String::with_capacity(stored.len());
    let mut chars = stored.chars();
    while let Some(char) = chars.next() {
        match char {
            ESCAPE if chars.next() == Some('0') => text.push('\0'),
            char => text.push(char),
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a text is, it comes back, and two texts never become one.
    #[test]
    fn every_text_comes_back() {
        let texts = [
            "",
            "plain",
            "a\0b",
            "\0",
            "\u{10FFFF}",
            "\u{10FFFF}0",
            "\u{10FFFF}\0",
            "é\0\u{10FFFF}1",
        ];
        let stored: Vec<_> = texts.iter().map(|text| write(text)).collect();
        for (place, (text, stored)) in texts.iter().zip(&stored).enumerate() {
            assert_eq!(read(stored), *text);
            assert!(!stored.contains('\0'));
            assert!(texts.iter().skip(place + 1).all(|other| write(other) != *stored));
        }
    }
}
