//! The plan of `numatrace events`.

use std::path::{Path, PathBuf};

use super::{hooks, live, session::SessionPlan};
use crate::{
    attach::{
        catalog::{
            ALLOC_BULK, ALLOC_FAILED, ALLOC_POLICY, DIRECT_RECLAIM, HINT_FAULT, HUGETLB_FAILED,
            HUGETLB_FAULT, OOM_KILL, PAGE_ALLOC, PAGE_FAULT, PAGE_MIGRATION, POLICY_REFUSED,
            TASK_MOVE,
        },
        selection::Selection,
    },
    capture::sys::list::{ListContext, parse_numactl},
    cli::{Format, events::EventsArgs},
    enrich::topology::Topology,
    exit::{Exit, Failure},
    ids::NodeId,
    model::event::{Filter, Kind},
};

/// Ended processes and ended threads that keep their names for late events. Processes are forgotten
/// after two sweeps in any case.
const KEEP: usize = 1_024;

/// A stream of events that can be started.
#[derive(Clone, Debug)]
pub struct EventsPlan {
    /// The session behind it.
    pub session: SessionPlan,
    /// The events to write.
    pub filter: Filter,
    /// Form of the lines.
    pub format: Format,
    /// File for the stream; `None` is stdout.
    pub output: Option<PathBuf>,
    /// Largest number of lines that wait for a slow reader.
    pub queue_lines: usize,
}

impl EventsPlan {
    /// Returns whether a wanted kind of event comes from this hook.
    #[must_use]
    pub fn concerns(&self, hook: &str) -> bool {
        kinds(&self.filter)
            .iter()
            .any(|kind| hooks_of(*kind).contains(&hook))
    }
}

/// Plans a stream of events. Without `--hooks` only those hooks attach that the wanted kinds need.
///
/// # Errors
/// The session cannot be planned, or the list of nodes makes no sense on this machine.
pub fn events(args: EventsArgs) -> Result<EventsPlan, Failure> {
    let filter = filter(&args)?;
    let hooks_listed = !args.live.hooks.is_empty() || !args.live.fallback.is_empty();
    let hooks = if hooks_listed || filter.kinds.is_empty() {
        hooks::parse(&args.live.hooks, &args.live.fallback)?
    } else {
        needed_hooks(&filter)?
    };
    let mut session = live::session("events", &args.live, hooks, KEEP)?;
    let wants = |kind| kinds(&filter).contains(&kind);
    // Allocations are counted in any case.
    session.switches.first_touch &= wants(Kind::FirstTouch) || wants(Kind::Incident);
    session.switches.mappings = wants(Kind::FirstTouch) || wants(Kind::HintFault);
    Ok(EventsPlan {
        session,
        filter,
        format: args.format,
        output: args.output,
        queue_lines: usize::try_from(args.buffer).unwrap_or(usize::MAX),
    })
}

fn filter(args: &EventsArgs) -> Result<Filter, Failure> {
    let mut kinds: Vec<Kind> = args.kinds.iter().copied().map(Kind::from).collect();
    kinds.sort_unstable();
    kinds.dedup();
    Ok(Filter {
        kinds,
        nodes: args
            .nodes
            .as_deref()
            .map_or_else(|| Ok(Vec::new()), nodes)?,
        cross_node_only: args.cross_node_only,
        min_pages: args.min_pages,
        comms: args.comms.clone(),
    })
}

/// Returns the wanted kinds: all when none is named.
fn kinds(filter: &Filter) -> &[Kind] {
    if filter.kinds.is_empty() {
        &Kind::ALL
    } else {
        &filter.kinds
    }
}

/// Returns the hooks that a kind of event comes from.
fn hooks_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Alloc => &[PAGE_ALLOC, ALLOC_BULK, ALLOC_POLICY],
        Kind::FirstTouch => &[PAGE_FAULT, HUGETLB_FAULT],
        Kind::HintFault => &[HINT_FAULT, PAGE_MIGRATION],
        Kind::PageMigration => &[PAGE_MIGRATION],
        Kind::TaskMove => &[TASK_MOVE],
        Kind::Incident => &[TASK_MOVE, PAGE_FAULT, PAGE_MIGRATION],
        Kind::OomKill => &[OOM_KILL],
        Kind::Reclaim => &[DIRECT_RECLAIM],
        Kind::AllocFailed => &[ALLOC_FAILED],
        Kind::HugetlbFailed => &[HUGETLB_FAILED],
        Kind::PolicyRefused => &[POLICY_REFUSED],
    }
}

/// Returns the hooks that the wanted kinds need, with the hooks that those need.
fn needed_hooks(filter: &Filter) -> Result<Selection, Failure> {
    let names: Vec<&str> = kinds(filter)
        .iter()
        .flat_map(|kind| hooks_of(*kind))
        .copied()
        .collect();
    let mut selection = Selection::parse(&names).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("--kind: {error}"),
            "leave it out for all kinds",
        )
    })?;
    // The user named no hook, so remarks on added hooks would only confuse.
    selection.remarks.clear();
    Ok(selection)
}

/// Parses a list of nodes in numactl's syntax.
fn nodes(list: &str) -> Result<Vec<NodeId>, Failure> {
    let topology = Topology::read(Path::new("/")).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot read the nodes of this machine: {error}"),
            "leave --node out",
        )
    })?;
    let allowed: Vec<u32> = topology.node_ids().map(|node| u32::from(node.0)).collect();
    let context = ListContext {
        allowed: &allowed,
        same: None,
    };
    let chosen = parse_numactl(list, context).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("--node: {error}"),
            "numatrace topology lists the nodes of this machine",
        )
    })?;
    let ids = chosen
        .into_iter()
        .filter_map(|node| u16::try_from(node).ok());
    Ok(ids.map(NodeId).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::catalog::TASK_RUN;

    fn filter(kinds: &[Kind]) -> Filter {
        Filter {
            kinds: kinds.to_vec(),
            ..Filter::default()
        }
    }

    #[test]
    fn a_kind_attaches_what_it_needs_and_nothing_else() {
        let moves = needed_hooks(&filter(&[Kind::TaskMove])).unwrap();
        assert!(moves.has(TASK_MOVE) && !moves.has(PAGE_FAULT) && !moves.has(PAGE_ALLOC));
        assert!(moves.remarks.is_empty());
        let incidents = needed_hooks(&filter(&[Kind::Incident])).unwrap();
        assert!(incidents.has(TASK_MOVE) && incidents.has(PAGE_FAULT));
        assert!(!incidents.has(TASK_RUN));
    }

    #[test]
    fn every_kind_can_be_had_alone() {
        for kind in Kind::ALL {
            let selection = needed_hooks(&filter(&[kind])).unwrap();
            assert!(
                hooks_of(kind).iter().all(|hook| selection.has(hook)),
                "{kind:?}"
            );
        }
    }
}
