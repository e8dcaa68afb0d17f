//! How each hook of the session fared.

use serde::{Deserialize, Serialize};

/// One hook family: attached, on its fallback, or absent, and what that costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The stem: `page_alloc`, `task_move`, …
    pub hook: String,
    /// How it fared.
    pub state: HookState,
    /// What it hangs on: `fexit get_page_from_freelist`; `None` when absent.
    pub via: Option<String>,
    /// Why it is not simply attached; always there when it is not.
    pub reason: Option<String>,
    /// What the report lacks because of that, in plain words.
    #[serde(default)]
    pub lost: Option<String>,
}

impl Hook {
    /// The exact hook is in place.
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

    /// Something lesser is in place, because `reason`; `lost` is what it cannot see.
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

    /// Nothing is in place, because nobody wanted it; `lost` is what the report lacks.
    #[must_use]
    pub fn left_out(hook: impl Into<String>, lost: impl Into<String>) -> Self {
        Self::absent(hook, LEFT_OUT, lost)
    }

    /// Is it absent because nobody wanted it?
    #[must_use]
    pub fn is_left_out(&self) -> bool {
        self.state == HookState::Absent && self.reason.as_deref() == Some(LEFT_OUT)
    }

    /// Nothing is in place, because `reason`; `lost` is what the report lacks.
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

/// The three ways a hook can fare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookState {
    /// The exact hook.
    Attached,
    /// A lesser one, with a reason.
    Fallback,
    /// None, with a reason.
    Absent,
}
