//! Cross-checks, one line each: `/proc/vmstat` compared with traced counts, and numastat's own
//! equations.

use crate::{
    model::{Audit, CrossCheck, CrossCheckKind, Imbalance, number},
    output::format::{page::Page, tone::Tone},
};

/// Writes the cross-checks; the verdict does not depend on them.
pub fn write(page: &mut Page<'_>, audit: &Audit) {
    let rows: Vec<String> = audit.cross_check.iter().filter_map(row).collect();
    if !rows.is_empty() {
        page.legend(&format!(
            "Cross-check with /proc/vmstat, by kernel | traced | residual: {}.",
            rows.join("; ")
        ));
    }
    let sides = [
        ("The kernel's", &audit.equations.kernel),
        ("Our", &audit.equations.traced),
    ];
    for (whose, imbalance) in sides {
        if let Some(largest) = imbalance
            .as_ref()
            .map(Imbalance::largest)
            .filter(|largest| *largest > 0)
        {
            page.wrapped(
                Tone::Warn,
                " ",
                " ",
                &format!(
                    "{whose} own counters are off by up to {}: hit + miss should be local + other, \
                     and misses should be foreign.",
                    number::grouped(largest)
                ),
            );
        }
    }
}

/// Returns one row in words; `None` where neither side counted anything.
fn row(row: &CrossCheck) -> Option<String> {
    if row.kernel.unwrap_or(0) == 0 && row.traced.unwrap_or(0) == 0 {
        return None;
    }
    let what = match row.what {
        CrossCheckKind::Pages => "pages allocated",
        CrossCheckKind::HintFaults => "hint faults",
        CrossCheckKind::PteUpdates => "page table entries made to fault",
        CrossCheckKind::HintMigrated => "pages moved by hint faults",
        CrossCheckKind::PageMigrations => "pages moved",
    };
    Some(format!(
        "{what} ({}) {} | {} | {}",
        row.what.vmstat(),
        number::count(row.kernel),
        number::count(row.traced),
        number::signed(row.residual)
    ))
}
