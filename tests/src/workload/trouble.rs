//! The ways in which a workload can end without a ground truth.

/// Why a workload has no ground truth.
#[derive(Debug)]
pub enum Trouble {
    /// This machine cannot do it: nodes, kernel or configuration are missing. No failure of the
    /// code under test.
    Unsupported(String),
    /// A step that should have worked did not.
    Failed(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Returns an error unless `fact` holds: for calls that must work before there is any truth.
///
/// # Errors
/// `otherwise`, when the fact does not hold.
pub fn check(fact: bool, otherwise: impl FnOnce() -> String) -> anyhow::Result<()> {
    if fact {
        Ok(())
    } else {
        Err(anyhow::Error::msg(otherwise()))
    }
}
