//! The table of rooms in ARCHITECTURE.md, section "Import rules".

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::Graph;

/// A row of the table.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Row {
    /// Rooms that this one may import.
    pub may_import: BTreeSet<String>,
    /// Which of `aya`, `tokio` and `unsafe` may stand in it.
    pub may_use: BTreeSet<String>,
}

/// Rows by room: a folder at the top of `src`, or a file there without its ending.
pub type Table = BTreeMap<String, Row>;

/// Reads the table in the text of ARCHITECTURE.md.
pub fn of_architecture(page: &str) -> Table {
    let (_, section) = page
        .split_once("\n## Import rules\n")
        .expect("ARCHITECTURE.md has a section \"Import rules\"");
    parse(section.split("\n## ").next().unwrap_or(section))
}

/// Reads the rows of a table `room | may import | may use`: names stand between backticks.
pub fn parse(section: &str) -> Table {
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let columns: Vec<&str> = row.trim_matches('|').split('|').collect();
        let [room, may_import, may_use] = columns[..] else {
            panic!("no row of three columns: {row}");
        };
        let room = names(room).pop_first();
        let row = Row {
            may_import: names(may_import),
            may_use: names(may_use),
        };
        (room.expect("a row names a room"), row)
    })
    .collect()
}

/// Returns what stands between backticks.
fn names(column: &str) -> BTreeSet<String> {
    let quoted = column.split('`').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// Returns the room of a file: `model` for `model/report.rs`, `exit` for `exit.rs`.
pub fn room(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.trim_end_matches(".rs")
}

/// Returns a line for each import and each use that the table does not allow.
pub fn breaches(graph: &Graph, table: &Table) -> Vec<String> {
    let nothing = Row::default();
    let row = |file: &str| table.get(room(file)).unwrap_or(&nothing);
    let mut found = Vec::new();
    for (file, targets) in &graph.imports {
        for target in targets {
            let allowed = room(file) == room(target) || row(file).may_import.contains(room(target));
            if !allowed {
                found.push(format!("{file} imports {target}"));
            }
        }
    }
    for (file, uses) in &graph.uses {
        let refused = uses
            .iter()
            .filter(|name| !row(file).may_use.contains(**name));
        found.extend(refused.map(|name| format!("{file} uses {name}")));
    }
    found
}

/// Returns the names in the table that no file has.
pub fn unknown(graph: &Graph, table: &Table) -> Vec<String> {
    let rooms: BTreeSet<&str> = graph.imports.keys().map(|file| room(file)).collect();
    let named = table
        .iter()
        .flat_map(|(room, row)| row.may_import.iter().chain([room]));
    let unknown: BTreeSet<&String> = named
        .filter(|name| !rooms.contains(name.as_str()))
        .collect();
    unknown.into_iter().cloned().collect()
}

/// Returns a line for each import and each use that the table allows and no file makes.
pub fn unused(graph: &Graph, table: &Table) -> Vec<String> {
    let mut made: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (file, targets) in &graph.imports {
        made.extend(targets.iter().map(|target| (room(file), room(target))));
    }
    for (file, uses) in &graph.uses {
        made.extend(uses.iter().map(|name| (room(file), *name)));
    }
    let allowed = table.iter().flat_map(|(room, row)| {
        let names = row.may_import.iter().chain(&row.may_use);
        names.map(move |name| (room.as_str(), name.as_str()))
    });
    allowed
        .filter(|pair| !made.contains(pair))
        .map(|(room, name)| format!("no file of {room} uses {name}: the table need not allow it"))
        .collect()
}
