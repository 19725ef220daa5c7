//! What a Markdown text mentions: code spans, link targets, shell lines; and the anchors of its headings.
//!
//! Only as much of the format as our documents use: fences, code spans (which may span lines), inline links,
//! reference definitions, and `#` headings.

/// Something that a document mentions and that can be held against the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The line where it begins, from 1.
    pub line: usize,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of mention, with their text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The inside of a code span.
    Code(String),
    /// The target of a link.
    Link(String),
    /// A command line in a fenced block of shell.
    Shell(String),
}

/// A document, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// What it mentions, in order.
    pub mentions: Vec<Mention>,
    /// The anchors that a link may point to.
    pub anchors: Vec<String>,
}

/// Takes a Markdown text apart.
pub fn parse(text: &str) -> Document {
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        parser.line(index + 1, line);
    }
    parser.end_paragraph();
    parser.document
}

#[derive(Default)]
struct Parser {
    document: Document,
    /// The open fence: its marker, and how its lines are read.
    fence: Option<(String, Fence)>,
    /// A shell line that goes on after a backslash, and where it began.
    unfinished: Option<(usize, String)>,
    /// The lines of the open paragraph, and the number of the first.
    paragraph: String,
    begins: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fence {
    /// Every line is a command.
    Script,
    /// Lines after `$` are commands, the others are output.
    Session,
}

impl Parser {
    fn line(&mut self, number: usize, line: &str) {
        let trimmed = line.trim();
        if let Some((marker, fence)) = &self.fence {
            if trimmed.starts_with(marker.as_str()) && trimmed.trim_start_matches(['`', '~']).is_empty() {
                self.fence = None;
            } else {
                self.shell(*fence, number, trimmed);
            }
        } else if let Some(marker) = ["```", "~~~"].into_iter().find(|marker| trimmed.starts_with(marker)) {
            self.end_paragraph();
            let length = trimmed.len() - trimmed.trim_start_matches(&marker[..1]).len();
            let language = trimmed[length..].split([' ', ',']).next().unwrap_or_default();
            let script = matches!(language, "sh" | "bash" | "shell");
            self.fence = Some((
                trimmed[..length].to_owned(),
                if script { Fence::Script } else { Fence::Session },
            ));
        } else if trimmed.is_empty() {
            self.end_paragraph();
        } else {
            self.text(number, trimmed);
        }
    }

    fn text(&mut self, number: usize, trimmed: &str) {
        let heading = trimmed.starts_with('#') && trimmed.trim_start_matches('#').starts_with(' ');
        if heading {
            self.end_paragraph();
            self.heading(trimmed.trim_start_matches('#').trim());
        }
        if self.paragraph.is_empty() {
            self.begins = number;
        }
        self.paragraph.push_str(trimmed);
        self.paragraph.push('\n');
        // A heading and a table's row each stand alone: a stray backtick must not reach beyond them.
        if heading || trimmed.starts_with('|') {
            self.end_paragraph();
        }
    }

    fn shell(&mut self, fence: Fence, number: usize, trimmed: &str) {
        let (begins, before) = self.unfinished.take().unwrap_or((number, String::new()));
        let prompted = trimmed.strip_prefix("$ ");
        let command = match fence {
            Fence::Script => Some(prompted.unwrap_or(trimmed)),
            Fence::Session if before.is_empty() => prompted,
            Fence::Session => Some(trimmed),
        };
        let Some(command) = command.filter(|command| !command.is_empty()) else {
            return;
        };
        let whole = format!("{before}{command}");
        if let Some(part) = whole.strip_suffix('\\') {
            self.unfinished = Some((begins, part.to_owned()));
        } else {
            self.document.mentions.push(Mention {
                line: begins,
                kind: Kind::Shell(whole),
            });
        }
    }

    /// The anchor that GitHub gives a heading: lower case, punctuation dropped, spaces to hyphens, and a number
    /// after a repeated one.
    fn heading(&mut self, text: &str) {
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug: String = kept
            .flat_map(char::to_lowercase)
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut anchor = slug.clone();
        let mut repeated = 0;
        while self.document.anchors.contains(&anchor) {
            repeated += 1;
            anchor = format!("{slug}-{repeated}");
        }
        self.document.anchors.push(anchor);
    }

    fn end_paragraph(&mut self) {
        let text = std::mem::take(&mut self.paragraph);
        let line_at = |at: usize| self.begins + text[..at].matches('\n').count();
        let mut at = 0;
        while let Some(found) = text[at..].find(['`', ']']) {
            let start = at + found;
            let (kind, end) = if text[start..].starts_with('`') {
                code_span(&text, start)
            } else {
                link(&text, start)
            };
            self.document.mentions.extend(kind.map(|kind| Mention {
                line: line_at(start),
                kind,
            }));
            at = end;
        }
    }
}

/// The code span that opens at `start`, and where to go on reading.
fn code_span(text: &str, start: usize) -> (Option<Kind>, usize) {
    let opening = text[start..].len() - text[start..].trim_start_matches('`').len();
    let inside = start + opening;
    let mut at = inside;
    while let Some(found) = text[at..].find('`') {
        let close = at + found;
        let run = text[close..].len() - text[close..].trim_start_matches('`').len();
        if run == opening {
            let words: Vec<_> = text[inside..close].split_whitespace().collect();
            return (Some(Kind::Code(words.join(" "))), close + run);
        }
        at = close + run;
    }
    (None, inside)
}

/// The target after the `]` at `start`: of an inline link, or of a reference definition.
fn link(text: &str, start: usize) -> (Option<Kind>, usize) {
    let after = &text[start + 1..];
    let defined = text[..start]
        .rfind('[')
        .is_some_and(|open| open == 0 || text[..open].ends_with('\n'));
    let target = if let Some(inline) = after.strip_prefix('(') {
        inline
            .split_once(')')
            .and_then(|(inside, _)| inside.split_whitespace().next())
    } else if defined {
        after.strip_prefix(": ").and_then(|rest| rest.split_whitespace().next())
    } else {
        None
    };
    let link = target.map(|target| Kind::Link(target.trim_matches(['<', '>']).to_owned()));
    (link, start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentions(text: &str) -> Vec<(usize, Kind)> {
        parse(text)
            .mentions
            .into_iter()
            .map(|mention| (mention.line, mention.kind))
            .collect()
    }

    fn code(line: usize, text: &str) -> (usize, Kind) {
        (line, Kind::Code(text.to_owned()))
    }

    fn target(line: usize, text: &str) -> (usize, Kind) {
        (line, Kind::Link(text.to_owned()))
    }

    fn shell(line: usize, text: &str) -> (usize, Kind) {
        (line, Kind::Shell(text.to_owned()))
    }

    #[test]
    fn code_spans_may_span_lines_and_hold_backticks() {
        assert_eq!(
            mentions("run `cargo\n  test` or `x`\n"),
            [code(1, "cargo test"), code(2, "x")]
        );
        assert_eq!(mentions("``a ` b`` and `c`"), [code(1, "a ` b"), code(1, "c")]);
        assert_eq!(mentions("| `a` | ` |\n| `b` |"), [code(1, "a"), code(2, "b")]);
        assert_eq!(mentions("a stray ` here\n\n`b`"), [code(3, "b")]);
    }

    #[test]
    fn links_of_both_kinds_are_found() {
        assert_eq!(
            mentions("see [the map](ARCHITECTURE.md#map \"title\") now"),
            [target(1, "ARCHITECTURE.md#map")]
        );
        assert_eq!(
            mentions("[a]: docs/a.md\n[b]: <docs/b.md>"),
            [target(1, "docs/a.md"), target(2, "docs/b.md")]
        );
        assert_eq!(mentions("[`code`](x.md)"), [code(1, "code"), target(1, "x.md")]);
        assert_eq!(mentions("an array[3]: nothing, and [x] neither"), []);
    }

    #[test]
    fn shell_lines_are_commands_and_output_is_not() {
        assert_eq!(
            mentions("```sh\ncargo run\n\n$ lumina demo\n```\n`x`"),
            [shell(2, "cargo run"), shell(4, "lumina demo"), code(6, "x")]
        );
        assert_eq!(
            mentions("```console\n$ lumina demo\nlumina is up\n```"),
            [shell(2, "lumina demo")]
        );
        assert_eq!(mentions("```\ncrates/ `x`\n```"), []);
        assert_eq!(mentions("~~~bash\nlumina \\\n  serve\n~~~"), [shell(2, "lumina serve")]);
        assert_eq!(mentions("````md\n```sh\ncargo x\n```\n````"), []);
    }

    #[test]
    fn anchors_are_as_github_makes_them() {
        let text = "# The Engine's `core`\n\n## A_b, c-d\n## A_b, c-d\n#hash\n```\n# no\n```\n";
        assert_eq!(parse(text).anchors, ["the-engines-core", "a_b-c-d", "a_b-c-d-1"]);
    }
}
