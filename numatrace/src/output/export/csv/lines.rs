//! Lines under construction: the cells that a whole group of lines shares are set once.

use std::fmt::{Display, Write as _};

use crate::ids::{NodeId, Pid, Tid};
use crate::model::{Matrix, Name, PerNode, Snapshot};
use crate::output::csv::cell;
use crate::output::escape;

/// The cells that tell whose value a line has; `None` is an empty cell.
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
    out: String,
    interval: Option<u64>,
    nodes: Vec<NodeId>,
}

impl Lines {
    /// No lines yet.
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            out: String::new(),
            interval: snapshot.session.interval,
            nodes: snapshot.host.nodes.iter().map(|node| node.node).collect(),
        }
    }

    /// One value.
    pub fn line(&mut self, table: &str, key: &Key, name: &str, value: impl Display) {
        let value = cell(&escape::text(value.to_string().as_bytes()));
        self.push(table, key, name, &value);
    }

    /// One number. A negative one is no formula.
    pub fn number(&mut self, table: &str, key: &Key, name: &str, value: impl Display) {
        self.push(table, key, name, &value.to_string());
    }

    /// One number that may not have been measured.
    pub fn known(&mut self, table: &str, key: &Key, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.number(table, key, name, value);
        }
    }

    /// A number for each node.
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

    /// A number for each pair of nodes; pairs with nothing have no line.
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
        let text = |name: &Name| cell(&escape::text(name.as_bytes()));
        let (pid, comm) = match &key.process {
            Some((pid, comm)) => (pid.to_string(), text(comm)),
            None => Default::default(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            self.out,
            "{table},{},{},{pid},{comm},{},{},{},{},{},{value}",
            shown(self.interval),
            shown(key.at_s),
            shown(key.tid),
            key.mapping.as_ref().map(text).unwrap_or_default(),
            shown(key.node),
            shown(key.to_node),
            cell(&escape::text(name.as_bytes())),
        );
    }

    /// The lines.
    pub fn finish(self) -> String {
        self.out
    }
}

fn shown(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}
