//! The tables of both sides, beside each other: what one has and the other lacks is found before anything is moved.

use std::collections::BTreeMap;

use super::column::Kind;
use super::error::MoveError;

/// What only one side needs: it is not moved, or moved otherwise.
const ONLY_HERE: [&str; 2] = ["workflow_migration", "workflow_event_seq"];
const ONLY_THERE: [&str; 2] = ["workflow_migration", "turn"];
const COLUMNS_ONLY_HERE: [(&str, &str); 1] = [("workflow_applied", "seq")];

/// A table of the file.
pub(super) struct Here {
    pub name: String,
    pub columns: Vec<String>,
}

/// A table of the server.
pub(super) struct There {
    pub name: String,
    /// Each with its type.
    pub columns: Vec<(String, String)>,
    /// The columns of its primary key.
    pub key: Vec<String>,
}

/// A table that both have.
pub(super) struct Table {
    pub name: String,
    pub columns: Vec<(String, Kind)>,
    /// Places of the primary key's columns.
    pub key: Vec<usize>,
}

impl Table {
    /// The columns' names, as SQL lists them.
    pub fn list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    }
}

/// Pairs them by name.
pub(super) fn pair(here: Vec<Here>, there: Vec<There>) -> Result<Vec<Table>, MoveError> {
    let mut here: BTreeMap<String, Here> = here
        .into_iter()
        .filter(|table| !ONLY_HERE.contains(&table.name.as_str()))
        .map(|table| (table.name.clone(), table))
        .collect();
    let mut tables = Vec::new();
    for there in there
        .into_iter()
        .filter(|table| !ONLY_THERE.contains(&table.name.as_str()))
    {
        let missing = || MoveError::Unlike(format!("the file has no table {}", there.name));
        let here = here.remove(&there.name).ok_or_else(missing)?;
        tables.push(pair_columns(here, there)?);
    }
    match here.into_keys().next() {
        Some(name) => Err(MoveError::Unlike(format!("the server has no table {name}"))),
        None => Ok(tables),
    }
}

fn pair_columns(here: Here, there: There) -> Result<Table, MoveError> {
    let name = there.name;
    let mut left = here.columns;
    left.retain(|column| !COLUMNS_ONLY_HERE.contains(&(&name, column)));
    let mut columns = Vec::new();
    for (column, data_type) in there.columns {
        let place = left.iter().position(|left| *left == column);
        let Some(place) = place else {
            return Err(MoveError::Unlike(format!("the file has no column {name}.{column}")));
        };
        left.swap_remove(place);
        let unknown = || {
            MoveError::Unlike(format!(
                "{name}.{column} is a {data_type}, which nobody knows how to move"
            ))
        };
        columns.push((column.clone(), Kind::parse(&name, &data_type).ok_or_else(unknown)?));
    }
    if let Some(column) = left.first() {
        return Err(MoveError::Unlike(format!("the server has no column {name}.{column}")));
    }
    let place = |key: &String| columns.iter().position(|(column, _)| column == key);
    let key: Vec<usize> = there.key.iter().filter_map(place).collect();
    match key.is_empty() {
        true => Err(MoveError::Unlike(format!("{name} has no primary key on the server"))),
        false => Ok(Table { name, columns, key }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(columns: &[&str]) -> Vec<Here> {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        vec![Here {
            name: "lead".to_owned(),
            columns,
        }]
    }

    fn there(columns: &[(&str, &str)]) -> Vec<There> {
        let owned = |(name, kind): &(&str, &str)| ((*name).to_owned(), (*kind).to_owned());
        vec![There {
            name: "lead".to_owned(),
            columns: columns.iter().map(owned).collect(),
            key: vec!["id".to_owned()],
        }]
    }

    #[test]
    fn what_one_side_lacks_is_named() {
        let cases: [(_, _, &str); 5] = [
            (here(&["id"]), vec![], "the server has no table lead"),
            (vec![], there(&[("id", "uuid")]), "the file has no table lead"),
            (
                here(&["id", "x"]),
                there(&[("id", "uuid")]),
                "the server has no column lead.x",
            ),
            (
                here(&["id"]),
                there(&[("id", "uuid"), ("x", "text")]),
                "the file has no column lead.x",
            ),
            (here(&["id"]), there(&[("id", "inet")]), "lead.id is a inet"),
        ];
        for (here, there, told) in cases {
            let error = pair(here, there).err().map(|error| error.to_string());
            assert!(error.as_deref().is_some_and(|error| error.contains(told)), "{error:?}");
        }
        assert!(pair(here(&["x", "id"]), there(&[("id", "uuid"), ("x", "text")])).is_ok());
    }
}
