//! The comparison of two reports: the document `numatrace.diff/1`.
//!
//! Two numbers next to each other are easily over-interpreted, so each change has its sample sizes
//! and a significance test ([`significance`]). A quantity that one side did not measure has no
//! change.

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
    /// The first session.
    pub before: Side,
    /// The second session.
    pub after: Side,
    /// Differences between the sessions that the program did not cause.
    pub notes: Vec<String>,
    /// The headline; `None` when both sessions measured none of its candidates.
    pub headline: Option<Headline>,
    /// The whole machine.
    pub machine: Changes,
    /// Nodes of both machines, matched by number.
    pub nodes: Vec<NodeChange>,
    /// Processes, matched by command, and those of one side only.
    pub processes: Vec<ProcessChange>,
    /// New, gone and kept findings.
    pub findings: Findings,
}

/// One of the two sessions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// The file of the report.
    pub file: Name,
    /// The machine.
    pub host: Host,
    /// Scope and length of the session.
    pub session: Session,
    /// Verdict of the audit.
    pub audit: audit::Verdict,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeChange {
    /// Number of the node.
    pub node: NodeId,
    /// Changes of its quantities.
    pub changes: Changes,
}

/// The processes of one command.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProcessChange {
    /// Name of the processes; the one of the second side where the scopes were matched.
    pub comm: Name,
    /// Kind of the processes.
    pub kind: ProcessKind,
    /// The match of the two sides; `None` when one side has no such process.
    pub matched_by: Option<MatchedBy>,
    /// PIDs of the first side.
    pub before: Vec<Pid>,
    /// PIDs of the second side.
    pub after: Vec<Pid>,
    /// Changes of their quantities.
    pub changes: Changes,
    /// Mappings, matched by name and size, and those of one side only.
    pub mappings: Vec<MappingChange>,
}

impl Diff {
    /// Compares two reports, each given with the name of its file.
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

    /// Returns the processes with a name or PID, of either side.
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
