//! Statements, written once for both databases.

use std::sync::OnceLock;

/// A statement.
///
/// It is written as SQLite has it. PostgreSQL's text is made of it, once, by rules that look at words alone
/// ([`translate`]); so a text keeps to what means the same to both: `CASE` and not `iif` or a scalar `max`,
/// `IS DISTINCT FROM` and not `IS NOT`, `TRUE` and not `1` for what is true, a sum that is cast to `BIGINT`, a column
/// that `excluded` has as well with its table's name.
#[derive(Debug)]
pub(in crate::records) struct Sql {
    text: &'static str,
    postgres: OnceLock<String>,
    postgres_each: OnceLock<String>,
    postgres_many: OnceLock<String>,
}

/// A [`Sql`] of this text, where it is used.
macro_rules! sql {
    ($text:expr) => {{
        static SQL: $crate::records::db::Sql = $crate::records::db::Sql::new($text);
        &SQL
    }};
}
pub(in crate::records) use sql;

impl Sql {
    pub const fn new(text: &'static str) -> Self {
        Self {
            text,
            postgres: OnceLock::new(),
            postgres_each: OnceLock::new(),
            postgres_many: OnceLock::new(),
        }
    }

    /// As it is written, and as SQLite has it.
    pub const fn text(&self) -> &'static str {
        self.text
    }

    /// As PostgreSQL has it.
    pub fn postgres(&self) -> &str {
        self.postgres.get_or_init(|| translate(self.text, "$"))
    }

    /// As PostgreSQL has it for each of many: it is given an array for each of its values, and says at the end of a
    /// row which it is for, the first being 1.
    pub fn postgres_each(&self, values: usize) -> &str {
        self.postgres_each.get_or_init(|| {
            let (arrays, columns) = (numbered("$", values), numbered("v", values));
            let found = translate(self.text, "each.v");
            format!(
                "SELECT found.*, each.n FROM unnest({arrays}) WITH ORDINALITY AS each ({columns}, n)
                 CROSS JOIN LATERAL ({found} LIMIT 1) AS found"
            )
        })
    }

    /// An `INSERT` of `VALUES`, or an `UPDATE` with a `WHERE`, as PostgreSQL has it for many rows at once: it is given
    /// an array for each of its values.
    pub fn postgres_many(&self, values: usize) -> &str {
        self.postgres_many.get_or_init(|| {
            let (arrays, columns) = (numbered("$", values), numbered("v", values));
            let each = format!("FROM unnest({arrays}) AS each ({columns})");
            let many = match self.text.split_once("VALUES (") {
                Some((before, row)) => {
                    let (row, after) = row.split_once(')').expect("a row ends");
                    format!("{before}SELECT {row} {each}{after}")
                }
                None => {
                    let (before, which) = self.text.split_once("WHERE").expect("it says which rows");
                    format!("{before}{each} WHERE{which}")
                }
            };
            translate(&many, "each.v")
        })
    }
}

/// As many as that, each behind its prefix.
fn numbered(prefix: &str, many: usize) -> String {
    let numbered = (1..=many).map(|number| format!("{prefix}{number}"));
    numbered.collect::<Vec<_>>().join(", ")
}

/// The application's tables. Each is named in PostgreSQL with its schema, because a pooled connection has no path to
/// search it by.
const TABLES: [&str; 15] = [
    "batch",
    "counter",
    "credit_ledger",
    "delivery",
    "enrichment",
    "enrichment_answer",
    "enrichment_job",
    "enrichment_post",
    "lead",
    "open_batch",
    "pause",
    "provider_calls",
    "rejected_delivery",
    "stamp",
    "subscriber",
];

/// What a table's name follows.
const BEFORE_TABLES: [&str; 4] = ["FROM", "JOIN", "INTO", "UPDATE"];

/// PostgreSQL's text of a statement, whose values are called by their numbers behind `value`:
///
/// - `?` and `?3` become `$1` and `$3`;
/// - a table is named with its schema;
/// - `INDEXED BY` and the `CROSS` of a join that has a condition, by which SQLite is told how to go about it, are left
///   out;
/// - what stands in `/*+ ... */`, a comment to SQLite, is said: the rows that are locked.
fn translate(text: &str, value: &str) -> String {
    let mut words = Words { rest: text };
    let mut said = String::with_capacity(text.len() + 64);
    let (mut params, mut last) = (0, "");
    while let Some(word) = words.next() {
        match word {
            "?" => {
                params += 1;
                said.push_str(&format!("{value}{params}"));
            }
            "/*+" | "*/" | "CROSS" => {}
            "INDEXED" => drop(words.by_ref().filter(|word| !is_space(word)).nth(1)),
            _ if word.starts_with('?') => said.push_str(&word.replacen('?', value, 1)),
            _ if BEFORE_TABLES.contains(&last) && TABLES.contains(&word) => said.extend(["lumina.", word]),
            _ => said.push_str(word),
        }
        if !is_space(word) {
            last = word;
        }
    }
    said
}

fn is_space(word: &str) -> bool {
    word.trim_start().is_empty()
}

/// A statement's words, with what is between them.
struct Words<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let first = self.rest.chars().next()?;
        let while_it_is = |is: fn(char) -> bool| self.rest[1..].find(|char| !is(char)).map(|end| end + 1);
        let end = match first {
            '\'' => self.rest[1..].find('\'').map(|end| end + 2),
            '/' if self.rest.starts_with("/*+") => Some(3),
            '*' if self.rest.starts_with("*/") => Some(2),
            '?' => while_it_is(|char| char.is_ascii_digit()),
            ' ' | '\n' => while_it_is(|char| matches!(char, ' ' | '\n')),
            'a'..='z' | 'A'..='Z' | '_' => while_it_is(|char| char.is_ascii_alphanumeric() || char == '_'),
            other => Some(other.len_utf8()),
        };
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_sqlite_understands_becomes_what_postgres_does() {
        for (text, expected) in [
            ("SELECT ?, ? FROM pause p", "SELECT $1, $2 FROM lumina.pause p"),
            (
                "UPDATE enrichment SET status = ?12 WHERE enrichment.id = ?2",
                "UPDATE lumina.enrichment SET status = $12 WHERE enrichment.id = $2",
            ),
            (
                "SELECT run FROM batch b INDEXED BY batch_open\n  WHERE b.run = ?",
                "SELECT run FROM lumina.batch b \n  WHERE b.run = $1",
            ),
            (
                "SELECT 1 FROM batch b CROSS JOIN enrichment e ON e.run = b.run",
                "SELECT 1 FROM lumina.batch b  JOIN lumina.enrichment e ON e.run = b.run",
            ),
            (
                "SELECT id FROM lead WHERE id = ? /*+ FOR UPDATE SKIP LOCKED */",
                "SELECT id FROM lumina.lead WHERE id = $1  FOR UPDATE SKIP LOCKED ",
            ),
            (
                "INSERT INTO counter (name) VALUES ('FROM lead?') ON CONFLICT (name) DO UPDATE SET count = counter.count * 2",
                "INSERT INTO lumina.counter (name) VALUES ('FROM lead?') ON CONFLICT (name) DO UPDATE SET count = counter.count * 2",
            ),
        ] {
            assert_eq!(Sql::new(text).postgres(), expected);
        }
    }

    #[test]
    fn many_are_written_at_once() {
        for (text, expected) in [
            (
                "INSERT INTO lead (id, kind, name) VALUES (?, 'new', ?) ON CONFLICT DO NOTHING /*+ RETURNING id */",
                "INSERT INTO lumina.lead (id, kind, name) SELECT each.v1, 'new', each.v2 FROM unnest($1, $2) AS each (v1, v2) ON CONFLICT DO NOTHING  RETURNING id ",
            ),
            (
                "UPDATE lead SET name = ?2 WHERE id = ?1 AND name <> ?2",
                "UPDATE lumina.lead SET name = each.v2 FROM unnest($1, $2) AS each (v1, v2) WHERE id = each.v1 AND name <> each.v2",
            ),
        ] {
            assert_eq!(Sql::new(text).postgres_many(2), expected);
        }
    }

    #[test]
    fn many_are_asked_for_at_once() {
        let one = Sql::new("SELECT email FROM subscriber WHERE id = ? AND class = ? /*+ FOR UPDATE */");
        assert_eq!(
            one.postgres_each(2),
            "SELECT found.*, each.n FROM unnest($1, $2) WITH ORDINALITY AS each (v1, v2, n)
                 CROSS JOIN LATERAL (SELECT email FROM lumina.subscriber WHERE id = each.v1 AND class = each.v2  FOR UPDATE  LIMIT 1) AS found"
        );
    }
}
