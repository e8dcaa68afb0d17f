//! `nodeN/meminfo` and `/proc/meminfo`: rows of a name and a number, in the kernel's order. Which
//! rows there are depends on the kernel.

use std::path::Path;

use super::{ReadError, excerpt, read_text};
use crate::ids::NodeId;

/// One row as the kernel prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kernel's name, such as `MemTotal`, `Active(anon)` or `HugePages_Total`.
    pub name: String,
    /// The number, in the unit of `unit`.
    pub value: u64,
    /// The unit of the number.
    pub unit: Unit,
}

/// The unit of a meminfo row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Kibibytes, printed by the kernel as `kB`.
    KiB,
    /// A count: the `HugePages_*` rows count huge pages of the default size.
    Count,
}

/// Reads the rows of one node.
pub fn read_node(root: &Path, node: NodeId) -> Result<Vec<Row>, ReadError> {
    let relative = format!("sys/devices/system/node/node{node}/meminfo");
    let text = read_text(root, &relative)?;
    parse(&text).map_err(|what| ReadError::garbage(root.join(relative), what))
}

/// Reads the rows of the whole system.
pub fn read_system(root: &Path) -> Result<Vec<Row>, ReadError> {
    let relative = "proc/meminfo";
    let text = read_text(root, relative)?;
    parse(&text).map_err(|what| ReadError::garbage(root.join(relative), what))
}

/// Returns the value of a row in KiB; `None` when the kernel does not have the row.
#[must_use]
pub fn kib(rows: &[Row], name: &str) -> Option<u64> {
    rows.iter()
        .find(|row| row.name == name && row.unit == Unit::KiB)
        .map(|row| row.value)
}

/// Parses either file: node files begin each line with `Node N`. Fails on a line that is no row,
/// and on a file without rows.
fn parse(text: &str) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        rows.push(
            parse_line(line)
                .ok_or_else(|| format!("expected `Name: NUMBER kB`, found {}", excerpt(line)))?,
        );
    }
    if rows.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok(rows)
}

fn parse_line(line: &str) -> Option<Row> {
    let (name, rest) = line.split_once(':')?;
    let name = match name.trim().strip_prefix("Node ") {
        Some(numbered) => numbered.split_once(' ')?.1.trim(),
        None => name.trim(),
    };
    let mut words = rest.split_whitespace();
    let value = words.next()?.parse().ok()?;
    let unit = match (words.next(), words.next()) {
        (None, None) => Unit::Count,
        (Some("kB"), None) => Unit::KiB,
        _ => return None,
    };
    (!name.is_empty()).then(|| Row {
        name: name.to_owned(),
        value,
        unit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_give_the_same_rows() {
        let row = |name: &str, value, unit| Row {
            name: name.to_owned(),
            value,
            unit,
        };
        let wanted = vec![
            row("MemTotal", 5204180, Unit::KiB),
            row("Active(anon)", 1560, Unit::KiB),
            row("HugePages_Total", 3, Unit::Count),
        ];
        let node = "Node 0 MemTotal:        5204180 kB\nNode 0 Active(anon):       1560 kB\n\
                    Node 0 HugePages_Total:     3\n";
        assert_eq!(parse(node).unwrap(), wanted);
        assert_eq!(parse(&node.replace("Node 0 ", "")).unwrap(), wanted);
        assert_eq!(kib(&wanted, "MemTotal"), Some(5204180));
        assert_eq!(kib(&wanted, "HugePages_Total"), None, "a count is not KiB");
    }

    #[test]
    fn garbage_is_named_and_refused() {
        for garbage in [
            "",
            "\n\n",
            "Node 0 MemTotal: many kB",
            "Node 0 MemTotal: 1 MB",
            "no colon",
            "Node 0: 3 kB",
            ": 3 kB",
        ] {
            assert!(parse(garbage).is_err(), "{garbage:?}");
        }
    }
}
