use std::borrow::Cow;

/// The longest raw text that is looked at, in bytes: an address of 254 bytes with a display name and a `mailto:`
/// query around it fits four times over; anything longer is not a cell that holds one address.
pub const MAX_RAW_BYTES: usize = 1024;

const QUOTES: &[char] = &[
    '"', '\'', '`', '\u{b4}', '“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '‹', '›',
];

/// Takes off what files and forms put around an address: a byte order mark, zero-width characters, blanks (the
/// no-break space too), quotes, `mailto:` with its query, a display name with `<...>`, and trailing `,` `;` `.`.
///
/// Cleaning twice gives what cleaning once gives. Nothing inside the address is changed, and the result need not
/// be an address. Text over [`MAX_RAW_BYTES`] comes back as it is.
///
/// ```
/// use lumina_enrichment::email::clean;
/// assert_eq!(clean(" \"mailto:Sarah@Example.com?subject=hi\"; "), "Sarah@Example.com");
/// ```
#[must_use]
pub fn clean(raw: &str) -> Cow<'_, str> {
    if raw.len() > MAX_RAW_BYTES {
        return Cow::Borrowed(raw);
    }
    if raw.is_ascii() || !raw.contains(is_invisible) {
        return Cow::Borrowed(unwrap_all(raw));
    }
    let visible: String = raw.chars().filter(|c| !is_invisible(*c)).collect();
    Cow::Owned(unwrap_all(&visible).to_owned())
}

/// Characters without width: they survive copying from web pages and spreadsheets and make two equal-looking
/// addresses differ.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Peels one layer after another until none is left, so that the order of the layers does not matter.
fn unwrap_all(raw: &str) -> &str {
    let mut text = raw;
    loop {
        let peeled = without_angles(without_mailto(without_edges(text)));
        if peeled.len() == text.len() {
            return text;
        }
        text = peeled;
    }
}

fn without_edges(text: &str) -> &str {
    // The common cell is an address and nothing else: look at its two ends before anything dearer.
    if is_bare(text) {
        return text;
    }
    text.trim_matches(is_edge)
        .trim_end_matches(|c: char| is_edge(c) || matches!(c, ',' | ';' | '.'))
}

fn is_bare(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    plain(bytes.first()) && plain(bytes.last())
}

fn is_edge(c: char) -> bool {
    c.is_whitespace() || c.is_control() || QUOTES.contains(&c)
}

fn without_mailto(text: &str) -> &str {
    const SCHEME: &str = "mailto:";
    match text.get(..SCHEME.len()) {
        Some(head) if head.eq_ignore_ascii_case(SCHEME) => {
            let rest = &text[SCHEME.len()..];
            rest.split_once('?').map_or(rest, |(address, _)| address)
        }
        _ => text,
    }
}

/// `Sarah Dev <sarah@example.com>` and `<sarah@example.com>`: what stands between the last brackets.
fn without_angles(text: &str) -> &str {
    let Some(open) = text.strip_suffix('>') else {
        return text;
    };
    open.rsplit_once('<').map_or(text, |(_, inner)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layers_come_off_in_any_order() {
        let rows = [
            ("sarah@example.com", "sarah@example.com"),
            ("\u{feff}sarah@example.com", "sarah@example.com"),
            ("sa\u{200b}rah@exam\u{ad}ple.com", "sarah@example.com"),
            ("\u{a0} sarah@example.com\u{a0}\t\r\n", "sarah@example.com"),
            ("\"sarah@example.com\"", "sarah@example.com"),
            ("'sarah@example.com'", "sarah@example.com"),
            ("“sarah@example.com”", "sarah@example.com"),
            ("MAILTO:sarah@example.com", "sarah@example.com"),
            ("mailto:sarah@example.com?subject=a@b", "sarah@example.com"),
            ("<sarah@example.com>", "sarah@example.com"),
            ("\"Dev, Sarah\" <sarah@example.com>", "sarah@example.com"),
            ("<mailto:sarah@example.com>", "sarah@example.com"),
            ("mailto:<sarah@example.com>", "sarah@example.com"),
            ("\"<sarah@example.com>\";", "sarah@example.com"),
            ("sarah@example.com,;. ;", "sarah@example.com"),
            ("sarah?who@example.com", "sarah?who@example.com"),
            ("  ", ""),
            ("<>", ""),
            ("mailto:", ""),
            ("not an address", "not an address"),
        ];
        for (raw, expected) in rows {
            assert_eq!(clean(raw), expected, "{raw:?}");
        }
    }

    proptest! {
        #[test]
        fn cleaning_is_idempotent(raw in "(\\PC|[\"'<>@.,; \u{feff}\u{200b}\u{a0}\t]|mailto:){0,40}") {
            let once = clean(&raw).into_owned();
            prop_assert_eq!(clean(&once).into_owned(), once);
        }
    }
}
