//! Second opinions, a line each: `/proc/vmstat` beside what was traced, and numastat's own equations.

use crate::{
    model::{Audit, Beside, BesideWhat, Imbalance, number},
    output::text::page::{Page, Tone},
};

/// Writes what there is; the verdict does not rest on it.
pub fn write(page: &mut Page<'_>, audit: &Audit) {
    let rows: Vec<String> = audit.beside.iter().filter_map(row).collect();
    if !rows.is_empty() {
        page.legend(&format!(
            "Beside /proc/vmstat, kernel | traced | residual: {}.",
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
fn row(row: &Beside) -> Option<String> {
    if row.kernel.unwrap_or(0) == 0 && row.traced.unwrap_or(0) == 0 {
        return None;
    }
    let what = match row.what {
        BesideWhat::Pages => "pages",
        BesideWhat::HintFaults => "hint faults",
        BesideWhat::PteUpdates => "page table entries made to fault",
        BesideWhat::HintMigrated => "pages moved by hint faults",
        BesideWhat::PageMigrations => "pages moved",
    };
    Some(format!(
        "{what} ({}) {} | {} | {}",
        row.what.vmstat(),
        number::count(row.kernel),
        number::count(row.traced),
        number::signed(row.residual)
    ))
}
