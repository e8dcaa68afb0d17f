//! Reasons of moves against the kernel's stacks, with `--verify-reasons`.

use super::page::{Page, Tone};
use crate::model::matrix::share;
use crate::model::{Disagreement, Snapshot, number};
use crate::output::escape;

/// Functions of an example that are shown.
const FUNCTIONS: usize = 8;

/// Writes what came of it; nothing where it was not asked for.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(verify) = &snapshot.verify else {
        return;
    };
    page.section("Reasons of moves against kernel stacks");
    page.legend(&format!(
        "{} of {} changes of CPU ({} %) have a stack that leads to their reason.",
        number::grouped(verify.agreed),
        number::grouped(verify.moves),
        number::percent(share(verify.agreed, verify.moves)),
    ));
    for other in &verify.disagreed {
        page.item(Some(Tone::Bad), &sentence(other));
    }
    for other in &verify.unclassified {
        page.item(Some(Tone::Warn), &sentence(other));
    }
}

fn sentence(other: &Disagreement) -> String {
    let functions: Vec<_> = other
        .stack
        .iter()
        .take(FUNCTIONS)
        .map(|name| escape::text(name.as_bytes()))
        .collect();
    format!(
        "{} counted as {}; their stack says {}: {}",
        number::grouped(other.count),
        other.reason.name(),
        escape::text(other.stack_says.as_bytes()),
        functions.join(" < ")
    )
}
