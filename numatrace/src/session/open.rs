//! How a session begins: who is in scope, what is refused, what is said.

use std::path::Path;

use anyhow::Context;
use numatrace_common::scope::ScopeEntry;

use super::{
    launch::Held,
    tracer::{Tracer, Verifying},
};
use crate::{
    attach::{catalog::PAGE_FAULT, globals::Switches, hooks::HookState},
    console::messages::Console,
    enrich::facts::{Facts, ProcFacts},
    exit::{Exit, Failure},
    ids::Pid,
    output,
    plan::{Plan, Scope},
};

pub(crate) fn switches(plan: &Plan) -> Switches {
    Switches {
        scoped: plan.scope != Scope::System,
        follow_children: plan.follow_children,
        // What an interval has is told within it.
        gather_moves: plan.interval.is_none(),
        first_touch: plan.hooks.has(PAGE_FAULT),
        faults: plan.faults,
        mappings: !plan.audit_only,
        reducible: plan.max_overhead.is_some(),
        verify_reasons: plan.verify_reasons,
        stack_every: if plan.audit_only { 0 } else { plan.stacks },
        kernel_stack_every: if plan.audit_only {
            0
        } else {
            plan.kernel_stacks
        },
    }
}

/// The first members of the scope: given processes at once, a command from its exec on.
pub(crate) fn scope_entries(
    plan: &Plan,
    held: Option<&Held>,
) -> anyhow::Result<Vec<(Pid, ScopeEntry)>> {
    let entry = |start_ticks, active| ScopeEntry {
        start_ticks,
        active,
        reserved: 0,
    };
    Ok(match (&plan.scope, held) {
        (Scope::Processes(processes), _) => processes
            .iter()
            .map(|(pid, ticks)| (*pid, entry(*ticks, 1)))
            .collect(),
        (Scope::Command(_), Some(held)) => {
            let mut facts = ProcFacts::new(Path::new("/"));
            let identity = facts
                .identity(held.pid)
                .context("the command ended before it could be traced")?;
            vec![(held.pid, entry(identity.start_ticks, 0))]
        }
        _ => Vec::new(),
    })
}

/// Reads what verification of reasons needs, before anything is counted: it takes a while.
pub(crate) fn verifying() -> Result<Verifying, Failure> {
    Verifying::begin().map_err(|gap| {
        Failure::new(
            Exit::Refused,
            format!("--verify-reasons cannot name the kernel's functions: {gap}"),
            "run as root with kernel.kptr_restrict below 2, or leave out --verify-reasons",
        )
    })
}

/// Refuses when nothing of use is attached, and says what is not.
pub(crate) fn told(plan: &Plan, tracer: &Tracer, console: &mut Console) -> Result<(), Failure> {
    for remark in &plan.hooks.remarks {
        console.say(remark);
    }
    for hook in &tracer.session().hooks {
        let via = hook.via.as_deref().unwrap_or("nothing");
        let reason = hook
            .reason
            .as_deref()
            .map_or_else(String::new, |why| format!(" ({why})"));
        let state = match hook.state {
            HookState::Attached => "attached",
            HookState::Fallback => "on its fallback",
            HookState::Absent => "absent",
            HookState::LeftOut => "left out",
        };
        console.detail(&format!("{}: {state}: {via}{reason}", hook.row.hook));
    }
    match tracer.session().missing().first() {
        None => Ok(()),
        Some(hook) => Err(Failure::new(
            Exit::Refused,
            format!(
                "cannot attach {}: {}",
                hook.row.hook,
                hook.reason.as_deref().unwrap_or("no reason given")
            ),
            "numatrace doctor says what this machine allows and how to get the rest",
        )),
    }
}

pub(crate) fn banner(plan: &Plan) -> String {
    let what = match &plan.scope {
        Scope::System => "all processes".to_owned(),
        Scope::Processes(processes) => {
            let list: Vec<String> = processes.iter().map(|(pid, _)| pid.to_string()).collect();
            format!("process {}", list.join(", "))
        }
        Scope::Command(launch) => {
            let name = launch
                .argv
                .first()
                .map_or_else(Default::default, |name| name.as_encoded_bytes().to_vec());
            output::escape::text(&name).into_owned()
        }
    };
    match plan.duration {
        Some(duration) => format!(
            "tracing {what} for {} s ... Ctrl-C ends it",
            duration.as_secs_f64()
        ),
        None => format!("tracing {what} ... Ctrl-C ends it"),
    }
}
