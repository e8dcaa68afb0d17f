//! What a report is made of beside what was taken in: the machine, the session, its hooks, its cost.

use serde::{Deserialize, Serialize};

use super::Ingest;
use crate::{
    attach::{
        catalog::HOOKS,
        hooks::{Hook, HookState},
        kernel_enum::ReasonNames,
    },
    enrich::facts::Facts,
    fold::{counted::Counted, verify::Verified},
    label::{
        code::Code,
        report::{CostParts, Parts, report},
    },
    model::{Host, Session, Snapshot},
};

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionInfo {
    /// The machine.
    pub host: Host,
    /// The session or interval.
    pub session: Session,
    /// The hook table as it ended up.
    pub hooks: Vec<HookInfo>,
    /// Why interrupts cannot be told from tasks.
    #[serde(default)]
    pub interrupts_unknown: Option<String>,
    /// How the records of mappings fared; `None` where nobody wanted them.
    #[serde(default)]
    pub mapping_records: Option<Result<(), String>>,
    /// Names of the kernel's reasons, by number.
    #[serde(default)]
    pub reasons: ReasonNames,
    /// Reasons of moves against kernel stacks, when that was asked for.
    #[serde(default)]
    pub verified: Option<Verified>,
    /// What the programs and this process cost.
    #[serde(default)]
    pub cost: CostParts,
}

/// A hook as it ended up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HookInfo {
    hook: String,
    state: HookState,
    via: Option<String>,
    reason: Option<String>,
}

impl From<&Hook> for HookInfo {
    fn from(hook: &Hook) -> Self {
        Self {
            hook: hook.row.hook.to_owned(),
            state: hook.state,
            via: hook.via.clone(),
            reason: hook.reason.clone(),
        }
    }
}

impl HookInfo {
    /// The hook with its row of the catalogue, which says what is lost without it; `None` for one that this version does not have.
    fn found(&self) -> Option<Hook> {
        Some(Hook {
            row: HOOKS.iter().find(|row| row.hook == self.hook)?,
            state: self.state,
            via: self.via.clone(),
            reason: self.reason.clone(),
            programs: Vec::new(),
        })
    }
}

impl SessionInfo {
    /// The report.
    pub fn report<F: Facts>(
        &self,
        counted: &Counted,
        code: &mut dyn Code,
        tell_timeline: bool,
        ingest: &mut Ingest<F>,
    ) -> Snapshot {
        let hooks: Vec<Hook> = self.hooks.iter().filter_map(HookInfo::found).collect();
        let parts = Parts {
            host: self.host.clone(),
            session: self.session.clone(),
            hooks: &hooks,
            window: &counted.window,
            until_ns: counted.until_ns,
            began_ns: counted.began_ns,
            timeline: &counted.timeline,
            tell_timeline,
            counted: &counted.inside,
            mappings: &counted.mappings,
            code,
            interrupts_unknown: self.interrupts_unknown.as_deref(),
            reasons: &self.reasons,
            verified: self.verified.as_ref(),
            recursion_misses: counted.recursion_misses,
            losses: counted.losses,
            rejected: counted.rejected,
            mapping_records: self.mapping_records.as_ref().map(|found| {
                found
                    .as_ref()
                    .map(|()| counted.mapping_records_lost)
                    .map_err(String::as_str)
            }),
            lines_without_room: ingest.enrich.spaces.no_room,
            unsettled: counted.unsettled,
            uncounted: counted.uncounted.as_deref(),
            switched: counted.switched,
            cost: self.cost.clone(),
        };
        report(parts, &mut ingest.enrich)
    }
}
