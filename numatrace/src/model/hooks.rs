//! The hooks of a session and their states.

use serde::{Deserialize, Serialize};

/// One hook family: attached, reduced to its fallback, or absent, with the consequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The stem: `page_alloc`, `task_move`, …
    pub hook: String,
    /// Its state.
    pub state: HookState,
    /// Attach point: `fexit get_page_from_freelist`; `None` when absent.
    pub via: Option<String>,
    /// Reason for a fallback or absence; always present then.
    pub reason: Option<String>,
    /// Quantities that the report lacks because of that, in plain words.
    #[serde(default)]
    pub lost: Option<String>,
}

impl Hook {
    /// The exact hook is attached.
    #[must_use]
    pub fn attached(hook: impl Into<String>, via: impl Into<String>) -> Self {
        Self {
            hook: hook.into(),
            state: HookState::Attached,
            via: Some(via.into()),
            reason: None,
            lost: None,
        }
    }

    /// A reduced hook is attached because of `reason`; it cannot see `lost`.
    #[must_use]
    pub fn fallback(
        hook: impl Into<String>,
        via: impl Into<String>,
        reason: impl Into<String>,
        lost: impl Into<String>,
    ) -> Self {
        Self {
            hook: hook.into(),
            state: HookState::Fallback,
            via: Some(via.into()),
            reason: Some(reason.into()),
            lost: Some(lost.into()),
        }
    }

    /// Nothing is attached because `--hooks` left the hook out; the report lacks `lost`.
    #[must_use]
    pub fn left_out(hook: impl Into<String>, lost: impl Into<String>) -> Self {
        Self::absent(hook, LEFT_OUT, lost)
    }

    /// Returns whether `--hooks` left the hook out.
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        self.state == HookState::Absent && self.reason.as_deref() == Some(LEFT_OUT)
    }

    /// Nothing is attached because of `reason`; the report lacks `lost`.
    #[must_use]
    pub fn absent(
        hook: impl Into<String>,
        reason: impl Into<String>,
        lost: impl Into<String>,
    ) -> Self {
        Self {
            hook: hook.into(),
            state: HookState::Absent,
            via: None,
            reason: Some(reason.into()),
            lost: Some(lost.into()),
        }
    }
}

/// The reason of a hook that `--hooks` left out.
const LEFT_OUT: &str = "left out on request";

/// State of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// The exact hook.
    Attached,
    /// A reduced hook, with a reason.
    Fallback,
    /// No hook, with a reason.
    Absent,
}
