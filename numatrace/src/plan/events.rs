//! `numatrace events`, checked and completed.

use std::path::Path;

use super::{Plan, live};
use crate::{
    attach::{
        catalog::{
            ALLOC_BULK, ALLOC_POLICY, HINT_FAULT, HUGETLB_FAULT, PAGE_ALLOC, PAGE_FAULT,
            PAGE_MIGRATION, TASK_MOVE,
        },
        selection::Selection,
    },
    capture::sys::list::{ListContext, parse_numactl},
    cli::events::EventsArgs,
    enrich::topology::Topology,
    exit::{Exit, Failure},
    ids::NodeId,
    model::event::{Filter, Kind},
};

/// A stream that can be started.
#[derive(Clone, Debug)]
pub struct EventsPlan {
    /// The session behind it.
    pub session: Plan,
    /// Which events are wanted.
    pub filter: Filter,
    /// Lines that wait for the reader at most.
    pub room: usize,
}

impl EventsPlan {
    /// Does a wanted kind come from this hook?
    #[must_use]
    pub fn concerns(&self, hook: &str) -> bool {
        kinds(&self.filter)
            .iter()
            .any(|kind| hooks_of(*kind).contains(&hook))
    }
}

/// Plans a stream.
///
/// # Errors
/// The session cannot be planned, or the list of nodes makes no sense here.
pub fn events(args: EventsArgs) -> Result<EventsPlan, Failure> {
    let listed = !args.live.hooks.is_empty() || !args.live.fallback.is_empty();
    let mut session = live::session(&args.live)?;
    session.format = args.format;
    session.output = args.output;
    let mut filter = Filter {
        kinds: args.kinds.into_iter().map(Kind::from).collect(),
        nodes: args
            .nodes
            .as_deref()
            .map_or_else(|| Ok(Vec::new()), nodes)?,
        cross_node_only: args.cross_node_only,
        min_pages: args.min_pages,
        comms: args.comms,
    };
    filter.kinds.sort_unstable();
    filter.kinds.dedup();
    if !listed && !filter.kinds.is_empty() {
        session.hooks = needed(&filter)?;
    }
    Ok(EventsPlan {
        session,
        filter,
        room: usize::try_from(args.buffer).unwrap_or(usize::MAX),
    })
}

fn kinds(filter: &Filter) -> &[Kind] {
    if filter.kinds.is_empty() {
        &Kind::ALL
    } else {
        &filter.kinds
    }
}

/// The hooks that a kind of event comes from.
fn hooks_of(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Alloc => &[PAGE_ALLOC, ALLOC_BULK, ALLOC_POLICY],
        Kind::FirstTouch => &[PAGE_FAULT, HUGETLB_FAULT],
        Kind::HintFault => &[HINT_FAULT, PAGE_MIGRATION],
        Kind::PageMigration => &[PAGE_MIGRATION],
        Kind::TaskMove => &[TASK_MOVE],
        Kind::Incident => &[TASK_MOVE, PAGE_FAULT, PAGE_MIGRATION],
    }
}

/// Just the hooks that the wanted kinds need, and what those need.
fn needed(filter: &Filter) -> Result<Selection, Failure> {
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
    // Nobody named a hook, so nobody wonders that others come along.
    selection.remarks.clear();
    Ok(selection)
}

/// The nodes of a list in numactl's syntax.
fn nodes(list: &str) -> Result<Vec<NodeId>, Failure> {
    let topology = Topology::read(Path::new("/")).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot tell which nodes there are: {error}"),
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
        let moves = needed(&filter(&[Kind::TaskMove])).unwrap();
        assert!(moves.has(TASK_MOVE) && !moves.has(PAGE_FAULT) && !moves.has(PAGE_ALLOC));
        assert!(moves.remarks.is_empty());
        let incidents = needed(&filter(&[Kind::Incident])).unwrap();
        assert!(incidents.has(TASK_MOVE) && incidents.has(PAGE_FAULT));
        assert!(!incidents.has(TASK_RUN));
    }

    #[test]
    fn every_kind_can_be_had_alone() {
        for kind in Kind::ALL {
            let selection = needed(&filter(&[kind])).unwrap();
            assert!(
                hooks_of(kind).iter().all(|hook| selection.has(hook)),
                "{kind:?}"
            );
        }
    }
}
