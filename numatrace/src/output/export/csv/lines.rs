//! Lines under construction: cells that a group of lines has in common are set once.

use std::fmt::Display;

use crate::ids::{NodeId, Pid, Tid};
use crate::model::{Matrix, Name, PerNode, Snapshot};
use crate::output::{csv, escape};

/// The cells that identify the subject of a value; `None` is an empty cell.
#[derive(Clone, Debug, Default)]
pub struct Key {
    /// Seconds since the session began.
    pub at_s: Option<f64>,
    /// The process.
    pub process: Option<(Pid, Name)>,
    /// The thread.
    pub tid: Option<Tid>,
    /// The mapping, by name.
    pub mapping: Option<Name>,
    /// The node.
    pub node: Option<NodeId>,
    /// The other node.
    pub to_node: Option<NodeId>,
}

/// Lines of one report.
pub struct Lines {
    out: csv::Lines,
    interval: Option<u64>,
    nodes: Vec<NodeId>,
}

impl Lines {
    /// Starts without lines, for the nodes and the interval of a report.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            out: csv::Lines::default(),
            interval: snapshot.session.interval,
            nodes: snapshot.host.nodes.iter().map(|node| node.node).collect(),
        }
    }

    /// Adds one value that is text.
    pub fn line(&mut self, table: &str, key: &Key, name: &str, value: impl Display) {
        self.push(table, key, name, &text(value.to_string().as_bytes()));
    }

    /// Adds one number; it is not guarded, a negative one is not a formula.
    pub fn number(&mut self, table: &str, key: &Key, name: &str, value: impl Display) {
        self.push(table, key, name, &value.to_string());
    }

    /// Adds one number if it was measured.
    pub fn known(&mut self, table: &str, key: &Key, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.number(table, key, name, value);
        }
    }

    /// Adds a number for each node.
    pub fn per_node(&mut self, table: &str, key: &Key, name: &str, counts: Option<&PerNode>) {
        for (node, count) in self
            .nodes
            .clone()
            .into_iter()
            .zip(counts.iter().flat_map(|counts| &counts.0))
        {
            let key = Key {
                node: Some(node),
                ..key.clone()
            };
            self.number(table, &key, name, count);
        }
    }

    /// Adds a number for each pair of nodes; pairs with 0 have no line.
    pub fn matrix(&mut self, table: &str, key: &Key, name: &str, matrix: Option<&Matrix>) {
        let Some(matrix) = matrix else { return };
        for (from, node) in self.nodes.clone().into_iter().enumerate() {
            for (to, to_node) in self.nodes.clone().into_iter().enumerate() {
                let count = matrix.at(from, to);
                if count > 0 {
                    let key = Key {
                        node: Some(node),
                        to_node: Some(to_node),
                        ..key.clone()
                    };
                    self.number(table, &key, name, count);
                }
            }
        }
    }

    fn push(&mut self, table: &str, key: &Key, name: &str, value: &str) {
        let named = |name: &Name| text(name.as_bytes());
        let (pid, comm) = match &key.process {
            Some((pid, comm)) => (pid.to_string(), named(comm)),
            None => Default::default(),
        };
        let cells = [
            table.to_owned(),
            shown(self.interval),
            shown(key.at_s),
            pid,
            comm,
            shown(key.tid),
            key.mapping.as_ref().map(named).unwrap_or_default(),
            shown(key.node),
            shown(key.to_node),
            text(name.as_bytes()),
            value.to_owned(),
        ];
        self.out.line(&cells);
    }

    /// Returns the lines.
    pub fn finish(self) -> String {
        self.out.finish()
    }
}

/// A text of a stranger as a cell: escaped, and never a formula.
fn text(bytes: &[u8]) -> String {
    csv::text(&escape::text(bytes)).into_owned()
}

fn shown(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
