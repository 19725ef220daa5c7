/// The longest name that is kept, in characters; the longest full names on passports have some 150.
pub const MAX_NAME_CHARS: usize = 200;

/// The longest source that is kept, in characters: a page's address with its campaign fits.
pub const MAX_SOURCE_CHARS: usize = 500;

/// A name on one line: control characters and repeated blanks become one blank, quotes around it go, and it is cut
/// after [`MAX_NAME_CHARS`]. `None` where nothing is left.
#[must_use]
pub fn tidy_name(raw: &str) -> Option<String> {
    let bare = raw.trim().trim_matches('"');
    tidy(bare, MAX_NAME_CHARS)
}

/// A source on one line, cut after [`MAX_SOURCE_CHARS`]. `None` where nothing is left.
#[must_use]
pub fn tidy_source(raw: &str) -> Option<String> {
    tidy(raw, MAX_SOURCE_CHARS)
}

fn tidy(raw: &str, max_chars: usize) -> Option<String> {
    // Most names and sources are tidy already; one allocation is all they need.
    if is_tidy(raw, max_chars) {
        return (!raw.is_empty()).then(|| raw.to_owned());
    }
    let is_gap = |c: char| c.is_whitespace() || c.is_control() || c == '\u{feff}';
    let words = raw.split(is_gap).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(max_chars).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

fn is_tidy(raw: &str, max_chars: usize) -> bool {
    let bytes = raw.as_bytes();
    let single_blanks = || bytes.windows(2).all(|pair| pair != b"  ");
    let no_edge_blank = || bytes.first() != Some(&b' ') && bytes.last() != Some(&b' ');
    let printable = || bytes.iter().all(|b| (b' '..=b'~').contains(b));
    bytes.len() <= max_chars && printable() && no_edge_blank() && single_blanks()
}
