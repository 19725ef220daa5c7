//! A title as folded words in clauses and phrases.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Titles are cut here, in characters: people write slogans into them, and the rank stands in front.
const MAX_TITLE_CHARS: usize = 300;

/// Lower case without accents: `Geschäftsführer` becomes `geschaftsfuhrer`, `gérant` becomes `gerant`.
pub(super) fn fold(text: &str) -> String {
    let cut = text.trim().chars().take(MAX_TITLE_CHARS).collect::<String>();
    let bare = cut.nfkd().filter(|c| !is_combining_mark(*c));
    bare.flat_map(char::to_lowercase)
        .map(|c| if c == '’' { '\'' } else { c })
        .collect()
}

/// One position in a title that may name several: what stands between `|`, `;`, a dash with blanks and the like.
/// Its phrases stood between commas and brackets.
pub(super) struct Clause {
    pub(super) phrases: Vec<Vec<String>>,
}

/// Splits a folded title.
pub(super) fn clauses(folded: &str) -> Vec<Clause> {
    let spaced = folded.replace(" - ", "|").replace("--", "|");
    let clause = |part: &str| Clause {
        phrases: part.split(is_phrase_end).map(words).collect(),
    };
    spaced.split(is_clause_end).map(clause).collect()
}

fn is_clause_end(c: char) -> bool {
    matches!(
        c,
        '|' | ';' | '•' | '·' | '∙' | '–' | '—' | '\n' | '\r' | '>' | '⏐' | '│'
    )
}

fn is_phrase_end(c: char) -> bool {
    matches!(c, ',' | '(' | ')' | '[' | ']' | ':')
}

/// The words of a phrase. `&`, `+` and `/` become the word `and`; `@` becomes `at`; a hyphen parts two words;
/// dots inside an abbreviation fall away (`v.p.` is `vp`), and a possessive keeps its mark, so that
/// `president's` is not `president`.
fn words(phrase: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(phrase.len() + 8);
    for c in phrase.chars() {
        match c {
            '&' | '+' | '/' => spaced.push_str(" and "),
            '@' => spaced.push_str(" at "),
            _ if c.is_alphanumeric() || matches!(c, '.' | '\'') => spaced.push(c),
            _ => spaced.push(' '),
        }
    }
    let bare = spaced.split_whitespace().map(|word| word.trim_matches('\''));
    bare.flat_map(split_dots).collect()
}

/// `v.p.` and `c.e.o` are one word; in `sr.` the dot is dropped; `dir.marketing` is two words.
fn split_dots(word: &str) -> Vec<String> {
    let pieces: Vec<&str> = word.split('.').filter(|piece| !piece.is_empty()).collect();
    let is_abbreviation = pieces.len() > 1 && pieces.iter().all(|piece| piece.chars().count() == 1);
    if is_abbreviation {
        vec![pieces.concat()]
    } else {
        pieces.into_iter().map(str::to_owned).collect()
    }
}
