//! Which column of a file is what.

use std::borrow::Cow;

use lumina_enrichment::email::EmailAddress;
use lumina_enrichment::subscriber::{Metadata, tidy_name, tidy_source};

use super::error::{FileError, RowError};
use super::header::{Role, role_of};
use super::records::Record;
use super::standing::StandingRule;
use crate::IntakeRow;

/// The columns that are read.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) email: usize,
    full_name: Option<usize>,
    first_name: Option<usize>,
    last_name: Option<usize>,
    source: Option<usize>,
    standing: Vec<(usize, StandingRule)>,
    /// How many cells the first row has.
    pub(super) columns: usize,
    /// Whether the first row names the columns.
    pub(super) has_header: bool,
}

impl Layout {
    /// Reads the names in the first row, and the cells below where these do not decide.
    pub(super) fn of(rows: &[Vec<String>]) -> Result<Self, FileError> {
        let (first, below) = rows.split_first().ok_or(FileError::Empty)?;
        // Nobody calls a column by an address: such a row is data.
        if first.iter().any(|cell| is_address(cell)) {
            let email = column_of_addresses(0..first.len(), rows, Proof::One).ok_or_else(|| no_column(first))?;
            return Ok(Self::without_header(email, first.len()));
        }
        let roles: Vec<Option<Role>> = first.iter().map(|name| role_of(name)).collect();
        let email = email_column(&roles, below).ok_or_else(|| no_column(first))?;
        Ok(Self::with_header(email, &roles))
    }

    fn without_header(email: usize, columns: usize) -> Self {
        Self {
            email,
            full_name: None,
            first_name: None,
            last_name: None,
            source: None,
            standing: Vec::new(),
            columns,
            has_header: false,
        }
    }

    fn with_header(email: usize, roles: &[Option<Role>]) -> Self {
        let column = |wanted: Role| {
            roles
                .iter()
                .position(|role| *role == Some(wanted))
                .filter(|at| *at != email)
        };
        let rule = |(at, role): (usize, &Option<Role>)| match role {
            Some(Role::Standing(rule)) if at != email => Some((at, *rule)),
            _ => None,
        };
        Self {
            email,
            full_name: column(Role::FullName),
            first_name: column(Role::FirstName),
            last_name: column(Role::LastName),
            source: column(Role::Source),
            standing: roles.iter().enumerate().filter_map(rule).collect(),
            columns: roles.len(),
            has_header: true,
        }
    }

    /// Whether the row says that its person has left the list or cannot be reached.
    pub(super) fn leaves_out(&self, record: &Record<'_>) -> bool {
        let says_so = |(column, rule): &(usize, StandingRule)| rule.leaves_out(&record.text(*column));
        self.standing.iter().any(says_so)
    }

    pub(super) fn row(&self, record: &Record<'_>) -> Result<IntakeRow, RowError> {
        if self.email >= record.len() {
            return Err(RowError::missing_address(record.line));
        }
        let parsed = EmailAddress::parse(&record.text(self.email));
        let email = parsed.map_err(|error| RowError::bad_address(record.line, error))?;
        let source = self.source.and_then(|at| tidy_source(&record.text(at)));
        Ok(IntakeRow {
            email,
            name: self.name(record),
            source,
            metadata: Metadata::default(),
        })
    }

    /// The full name where there is one, else the first and last name.
    fn name(&self, record: &Record<'_>) -> Option<String> {
        let text = |column: Option<usize>| column.map_or(Cow::Borrowed(""), |at| record.text(at));
        tidy_name(&text(self.full_name)).or_else(|| {
            let (first, last) = (text(self.first_name), text(self.last_name));
            if last.is_empty() {
                tidy_name(&first)
            } else {
                tidy_name(&format!("{first} {last}"))
            }
        })
    }
}

fn no_column(first: &[String]) -> FileError {
    FileError::NoAddressColumn {
        columns: first.to_vec(),
    }
}

/// The column that is called an address column, as long as its cells do not belie it; where none or several are
/// called so, the one whose cells are addresses.
fn email_column(roles: &[Option<Role>], below: &[Vec<String>]) -> Option<usize> {
    let named = |wanted: Role| {
        (0..roles.len())
            .filter(|at| roles[*at] == Some(wanted))
            .collect::<Vec<_>>()
    };
    let mut candidates = named(Role::Email);
    if candidates.is_empty() {
        candidates = named(Role::PerhapsEmail);
    }
    column_of_addresses(candidates.iter().copied(), below, Proof::One)
        .or_else(|| column_of_addresses(0..roles.len(), below, Proof::Half))
        .or_else(|| candidates.first().copied())
}

/// How many cells of a column must be addresses.
#[derive(Clone, Copy, PartialEq)]
enum Proof {
    /// One, where something else speaks for the column.
    One,
    /// Half of those that hold something, where nothing else does.
    Half,
}

/// The column with the most addresses in the rows, the first of equals.
fn column_of_addresses(columns: impl Iterator<Item = usize>, rows: &[Vec<String>], proof: Proof) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for column in columns {
        let cells = || {
            rows.iter()
                .filter_map(|row| row.get(column))
                .filter(|cell| !cell.trim().is_empty())
        };
        let addresses = cells().filter(|cell| is_address(cell)).count();
        let is_enough = addresses > 0 && (proof == Proof::One || addresses * 2 >= cells().count());
        if is_enough && best.is_none_or(|(most, _)| addresses > most) {
            best = Some((addresses, column));
        }
    }
    best.map(|(_, column)| column)
}

fn is_address(cell: &str) -> bool {
    EmailAddress::parse(cell).is_ok()
}
