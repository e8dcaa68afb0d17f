//! Reasons of moves compared with kernel stacks, with `--verify-reasons`.

use crate::model::matrix::share;
use crate::model::{Disagreement, Snapshot, number};
use crate::output::escape;
use crate::output::format::{page::Page, tone::Tone};

/// Functions of an example that are shown.
const FUNCTIONS: usize = 8;

/// Writes the result; nothing where it was not asked for.
pub fn write(page: &mut Page<'_>, snapshot: &Snapshot) {
    let Some(verify) = &snapshot.verify else {
        return;
    };
    page.section("Reasons of moves compared with kernel stacks");
    page.legend(&format!(
        "The stack confirms the reason of {} of {} ({}).",
        number::grouped(verify.agreed),
        number::plural(verify.moves, "CPU move"),
        number::percent_sign(share(verify.agreed, verify.moves)),
    ));
    for other in &verify.disagreed {
        page.item(Tone::Bad, &sentence(other));
    }
    for other in &verify.unclassified {
        page.item(Tone::Warn, &sentence(other));
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
        "{} traced as {}, by stack {}: {}",
        number::grouped(other.count),
        other.reason.name(),
        escape::text(other.stack_says.as_bytes()),
        functions.join(" < ")
    )
}
