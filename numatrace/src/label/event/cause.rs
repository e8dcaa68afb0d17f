//! Causes of remote allocations and first touches, as events name them.

use numatrace_common::count_key::RemoteCause;

use crate::{decode::count::AllocKey, model::PolicyMode};

/// Returns why allocations were remote or missed the preferred node, by the names of the report's
/// `remote_by_cause`; a policy comes with its mode.
pub fn cause(count_key: &AllocKey) -> Option<String> {
    match count_key.cause? {
        RemoteCause::Policy => {
            let mode = PolicyMode::of(count_key.policy_mode).in_words();
            Some(format!("policy: {mode}"))
        }
        cause => cause_name(cause).map(str::to_owned),
    }
}

/// Returns the cause of most of the pages that have one. `causes` are pages by number of the cause.
pub fn main_cause(causes: &[u32]) -> Option<String> {
    let known = RemoteCause::ALL.into_iter().zip(causes);
    let named = known.filter_map(|(cause, pages)| Some((cause_name(cause)?, *pages)));
    let (name, _) = named
        .filter(|(_, pages)| *pages > 0)
        .max_by_key(|(_, pages)| *pages)?;
    Some(name.to_owned())
}

/// Returns the name of a cause; `None` for those that say nothing.
fn cause_name(cause: RemoteCause) -> Option<&'static str> {
    match cause {
        RemoteCause::None | RemoteCause::Unknown => None,
        RemoteCause::Policy => Some("policy"),
        RemoteCause::Fallback => Some("fallback"),
        RemoteCause::Cpuset => Some("cpuset"),
        RemoteCause::Memoryless => Some("memoryless"),
        RemoteCause::KernelNode => Some("kernel_node"),
        RemoteCause::TaskMoved => Some("task_moved"),
    }
}
