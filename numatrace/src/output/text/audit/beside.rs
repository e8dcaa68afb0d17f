//! Second opinions, a line each: `/proc/vmstat` beside what was traced, and numastat's own equations.

use crate::{
    model::{Audit, CrossCheck, CrossCheckKind, Imbalance, number},
    output::text::page::{Page, Tone},
};

/// Writes what there is; the verdict does not rest on it.
pub fn write(page: &mut Page<'_>, audit: &Audit) {
    let rows: Vec<String> = audit.cross_check.iter().filter_map(row).collect();
    if !rows.is_empty() {
        page.legend(&format!(
            "CrossCheck /proc/vmstat, kernel | traced | residual: {}.",
            rows.join("; ")
        ));
    }
    let sides = [
        ("the kernel's", &audit.equations.kernel),
        ("our", &audit.equations.traced),
    ];
    for (whose, imbalance) in sides {
        if let Some(largest) = imbalance
            .as_ref()
            .map(Imbalance::largest)
            .filter(|largest| *largest > 0)
        {
            page.wrapped(
                Some(Tone::Warn),
                " ",
                " ",
                &format!(
                    "Among {whose} own counters, hit + miss = local + other or misses = foreign is off by up to {}.",
                    number::grouped(largest)
                ),
            );
        }
    }
}

/// One row in words; `None` where neither side counted anything.
fn row(row: &CrossCheck) -> Option<String> {
    if row.kernel.unwrap_or(0) == 0 && row.traced.unwrap_or(0) == 0 {
        return None;
    }
    let what = match row.what {
        CrossCheckKind::Pages => "pages",
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
