//! A measured figure, and its two ways onto the screen.

use serde_json::json;

/// One measured number, and what it is held against.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    floor: Option<f64>,
}

impl Figure {
    /// A figure that stands alone, as a floor does.
    #[must_use]
    pub fn alone(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            floor: None,
        }
    }

    /// The same figure, held against what plain SQLite reached in this invocation.
    #[must_use]
    pub fn against(self, floor: f64) -> Self {
        Self {
            floor: Some(floor),
            ..self
        }
    }

    /// `value / floor`. For a speed, 1 is the floor's own and less is slower; for a time, more is slower.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.floor.filter(|floor| *floor != 0.0).map(|floor| self.value / floor)
    }

    /// The line that `--json` prints: always the same five keys, `floor` and `ratio` null where there is none.
    #[must_use]
    pub fn json(&self) -> String {
        let fields = [
            ("name", json!(self.name)),
            ("value", json!(rounded(self.value))),
            ("unit", json!(self.unit)),
            ("floor", json!(self.floor.map(rounded))),
            ("ratio", json!(self.ratio().map(rounded))),
        ];
        let fields: Vec<_> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }

    /// The line of the table.
    #[must_use]
    pub fn row(&self) -> String {
        let or_dash = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), readable);
        let ratio = self
            .ratio()
            .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let (value, floor) = (readable(self.value), or_dash(self.floor));
        format!("{:<36} {value:>12} {:<8} {floor:>12} {ratio:>6}", self.name, self.unit)
    }
}

/// Three decimals: more are noise.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// Whole numbers with thousands set apart from 100 on, three decimals below.
fn readable(number: f64) -> String {
    if number.abs() < 100.0 {
        return format!("{number:.3}");
    }
    let digits = format!("{number:.0}");
    let first = digits.len() % 3;
    let mut parts: Vec<&str> = if first > 0 { vec![&digits[..first]] } else { vec![] };
    parts.extend((first..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    parts.join(",")
}

/// How figures are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// One JSON object a line.
    Json,
    /// Columns for people.
    Table,
}

impl Output {
    /// Prints the table's head.
    pub fn begin(self) {
        if self == Self::Table {
            println!(
                "{:<36} {:>12} {:<8} {:>12} {:>6}",
                "name", "value", "unit", "floor", "ratio"
            );
        }
    }

    /// Prints one figure, as soon as it is known.
    pub fn print(self, figure: &Figure) {
        match self {
            Self::Json => println!("{}", figure.json()),
            Self::Table => println!("{}", figure.row()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_line_has_the_five_keys_in_order() {
        let alone = Figure::alone("floor/sqlite/run", 24_999.123_456, "runs/s");
        let expected = r#"{"name":"floor/sqlite/run","value":24999.123,"unit":"runs/s","floor":null,"ratio":null}"#;
        assert_eq!(alone.json(), expected);
        let held = Figure {
            floor: Some(50_000.0),
            ..alone
        };
        let expected = r#"{"name":"floor/sqlite/run","value":24999.123,"unit":"runs/s","floor":50000.0,"ratio":0.5}"#;
        assert_eq!(held.json(), expected);
    }

    #[test]
    fn a_floor_of_nothing_makes_no_ratio() {
        let figure = Figure {
            floor: Some(0.0),
            ..Figure::alone("a/b/c", 1.0, "MiB")
        };
        assert_eq!(figure.ratio(), None);
    }

    #[test]
    fn numbers_are_readable() {
        let table = [
            (0.5, "0.500"),
            (99.9994, "99.999"),
            (100.0, "100"),
            (999.6, "1,000"),
            (24_999.9, "25,000"),
            (1.5e6, "1,500,000"),
        ];
        for (number, text) in table {
            assert_eq!(readable(number), text);
        }
    }
}
