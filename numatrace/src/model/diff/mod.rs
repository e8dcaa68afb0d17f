//! What changed between two reports: the document `numatrace.diff/1`.
//!
//! Numbers side by side are easily read as more than they are, so each change says from how much it was told and whether chance alone
//! could have made it ([`significance`]). What one side did not measure has no change.

mod changes;
mod findings;
mod headline;
mod mappings;
mod notes;
mod pairs;
pub mod significance;

use serde::Serialize;

pub use changes::{Change, Changes, Verdict};
pub use findings::{Findings, Kept};
pub use headline::Headline;
pub use mappings::{MappingChange, Place};
pub use pairs::{MatchedBy, Pair};
pub use significance::{Method, Test};

use super::matrix::PerNode;
use super::quantity::{Measures, Of};
use super::{Host, Name, Process, ProcessKind, Session, Snapshot, audit};
use crate::ids::{NodeId, Pid};

/// The value of [`Diff::schema`].
pub const SCHEMA: &str = "numatrace.diff/1";

/// Two sessions compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// Always [`SCHEMA`].
    pub schema: &'static str,
    /// The first.
    pub before: Side,
    /// The second.
    pub after: Side,
    /// What to know before comparing: differences that are not the program's.
    pub notes: Vec<String>,
    /// The one number; `None` when neither of its candidates was measured in both.
    pub headline: Option<Headline>,
    /// The whole machine.
    pub machine: Changes,
    /// Nodes that both have, by their number.
    pub nodes: Vec<NodeChange>,
    /// Processes with the same command, matched, and those of one side only.
    pub processes: Vec<ProcessChange>,
    /// Diagnoses that came, went and stayed.
    pub findings: Findings,
}

/// One of the two sessions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The file it was read from.
    pub file: Name,
    /// The machine.
    pub host: Host,
    /// What was traced.
    pub session: Session,
    /// How far its counts can be trusted.
    pub audit: audit::Verdict,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeChange {
    /// Its number.
    pub node: NodeId,
    /// What changed.
    pub changes: Changes,
}

/// The processes of one command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessChange {
    /// Their name; the second side's where they were matched as what was launched.
    pub comm: Name,
    /// What they are.
    pub kind: ProcessKind,
    /// How the two sides were matched; `None` when one has no such process.
    pub matched_by: Option<MatchedBy>,
    /// The first side's.
    pub before: Vec<Pid>,
    /// The second side's.
    pub after: Vec<Pid>,
    /// What changed.
    pub changes: Changes,
    /// Their mappings: matched by name and size, and those of one side only.
    pub mappings: Vec<MappingChange>,
}

impl Diff {
    /// Compares two reports, read from files of these names.
    #[must_use]
    pub fn of(before: (&Name, &Snapshot), after: (&Name, &Snapshot)) -> Self {
        let (old, new) = (before.1, after.1);
        let seconds = (old.session.duration_s, new.session.duration_s);
        let machine = Changes::of(
            None,
            Some(&Measures::of_machine(old)),
            Some(&Measures::of_machine(new)),
            seconds,
        );
        let pairs = pairs::pairs(old, new);
        let processes: Vec<ProcessChange> = pairs
            .iter()
            .map(|pair| process(old, new, pair, seconds))
            .collect();
        Self {
            schema: SCHEMA,
            before: side(before),
            after: side(after),
            notes: notes::notes(old, new),
            headline: headline::headline(old, new, &machine, &pairs, &processes),
            nodes: nodes(old, new, seconds),
            findings: findings::findings(old, new, &pairs),
            machine,
            processes,
        }
    }

    /// The processes of a name or pid; of either side.
    pub fn processes_of<'a>(&'a self, which: &'a str) -> impl Iterator<Item = &'a ProcessChange> {
        let pid: Option<u32> = which.parse().ok();
        let has = move |pids: &[Pid]| pids.iter().any(|known| known.0 > 0 && Some(known.0) == pid);
        self.processes.iter().filter(move |process| {
            process.comm == *which || has(&process.before) || has(&process.after)
        })
    }
}

fn side((file, snapshot): (&Name, &Snapshot)) -> Side {
    Side {
        file: file.clone(),
        host: snapshot.host.clone(),
        session: snapshot.session.clone(),
        audit: snapshot.audit.verdict,
    }
}

fn nodes(old: &Snapshot, new: &Snapshot, seconds: (f64, f64)) -> Vec<NodeChange> {
    let both = old
        .host
        .nodes
        .iter()
        .enumerate()
        .filter_map(|(position, node)| Some((node.node, position, new.host.position(node.node)?)));
    both.map(|(node, before, after)| NodeChange {
        node,
        changes: Changes::of(
            Some(Of::Node),
            Some(&Measures::of_node(old, before)),
            Some(&Measures::of_node(new, after)),
            seconds,
        ),
    })
    .collect()
}

fn process(old: &Snapshot, new: &Snapshot, pair: &Pair<'_>, seconds: (f64, f64)) -> ProcessChange {
    let measures = |snapshot, processes: &[&Process]| {
        (!processes.is_empty()).then(|| Measures::of_processes(snapshot, processes))
    };
    let pids = |processes: &[&Process]| processes.iter().map(|process| process.pid).collect();
    ProcessChange {
        comm: pair.comm().clone(),
        kind: pair.kind(),
        matched_by: pair.matched_by,
        before: pids(&pair.before),
        after: pids(&pair.after),
        changes: Changes::of(
            Some(Of::Process),
            measures(old, &pair.before).as_ref(),
            measures(new, &pair.after).as_ref(),
            seconds,
        ),
        mappings: mappings::mappings(old, new, pair, seconds),
    }
}

/// The node with most, if there is anything.
fn most(host: &Host, counts: &PerNode) -> Option<NodeId> {
    let position = super::finding::memory::most(counts)?;
    host.nodes.get(position).map(|node| node.node)
}
