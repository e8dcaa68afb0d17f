//! `stat --file` as text: a row for each file, its page cache per node in MB.

use std::fmt::Write as _;

use super::grid::{Cell, Grid, Row};
use super::memory::mebibytes;
use super::{StatText, node_columns};
use crate::model::number::UNKNOWN;
use crate::model::quantity::float;
use crate::model::stat::Sample;
use crate::model::stat::files::FileCache;
use crate::output::escape;
use crate::output::format::size;

/// Returns the table, then what its numbers leave open.
#[must_use]
pub fn render(files: &[FileCache], sample: &Sample, text: &StatText) -> String {
    if files.is_empty() {
        return String::new();
    }
    let row = |file: &FileCache| Row {
        tail: escape::text(file.path.as_bytes()).into_owned(),
        ..Row::new(
            file_system(file),
            cells(
                &file.kib,
                file.cached_kib,
                file.size_bytes,
                file.dirty_kib,
                text,
            ),
        )
    };
    let mut columns = node_columns(sample);
    // The total is what is cached on whatever node.
    columns.pop();
    columns.extend(["Cached", "Size", "Dirty"].map(str::to_owned));
    let grid = Grid {
        corner: "File system".to_owned(),
        columns,
        tail: "File".to_owned(),
        rows: files.iter().map(row).collect(),
        footer: (files.len() > 1).then(|| total(files, text)),
    };
    let mut out = String::from("\nPer-node page cache of files (in MBs)\n");
    let mut layout = text.layout(sample);
    // A file of which nothing is cached is an answer.
    layout.nonzero = false;
    out.push_str(&grid.render(layout));
    for file in files.iter().filter(|file| file.unknown_kib > 0) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{} MB of {}: node not known",
            size::mib(float(file.unknown_kib), 2),
            escape::text(file.path.as_bytes())
        );
    }
    if files.iter().any(|file| file_system(file) == "tmpfs") {
        out.push_str("tmpfs has no disk: these pages are the files, and nothing drops them\n");
    }
    out
}

fn file_system(file: &FileCache) -> String {
    let known = file.file_system.as_deref().unwrap_or(UNKNOWN);
    escape::text(known.as_bytes()).into_owned()
}

fn cells(
    kib: &[Option<u64>],
    cached: u64,
    bytes: u64,
    dirty: Option<u64>,
    text: &StatText,
) -> Vec<Cell> {
    let known = |kib: Option<u64>| kib.map_or_else(Cell::unknown, |kib| mebibytes(kib, text));
    let rest = [Some(cached), Some(bytes.div_ceil(1024)), dirty];
    kib.iter().copied().chain(rest).map(known).collect()
}

/// Returns the sums; one of which a part is not known is not known either.
fn total(files: &[FileCache], text: &StatText) -> Row {
    let nodes = files.iter().map(|file| file.kib.len()).max().unwrap_or(0);
    let on = |node: usize| -> Option<u64> { files.iter().map(|file| *file.kib.get(node)?).sum() };
    let kib: Vec<Option<u64>> = (0..nodes).map(on).collect();
    let sum = |of: fn(&FileCache) -> u64| {
        files
            .iter()
            .fold(0u64, |sum, file| sum.saturating_add(of(file)))
    };
    let dirty = files.iter().map(|file| file.dirty_kib).sum();
    let (cached, bytes) = (sum(|file| file.cached_kib), sum(|file| file.size_bytes));
    Row::new("Total", cells(&kib, cached, bytes, dirty, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn file(
        path: &str,
        kind: Option<&str>,
        kib: [Option<u64>; 2],
        dirty: Option<u64>,
    ) -> FileCache {
        let known = kib.iter().flatten().sum::<u64>();
        FileCache {
            path: path.into(),
            file_system: kind.map(str::to_owned),
            size_bytes: 8 << 20,
            cached_kib: known + 1024,
            kib: kib.to_vec(),
            unknown_kib: 1024,
            dirty_kib: dirty,
        }
    }

    #[test]
    fn each_file_has_a_row_and_what_is_unknown_is_said() {
        let sample = Sample::new("t".to_owned(), 4096, vec![NodeId(0), NodeId(3)]);
        let files = [
            file(
                "/data/a",
                Some("ext4"),
                [Some(2048), Some(1024)],
                Some(1024),
            ),
            file("/b\x1b[2J", None, [Some(0), None], None),
        ];
        let text = StatText {
            compact: true,
            ..StatText::default()
        };
        let wanted = [
            "",
            "Per-node page cache of files (in MBs)",
            "File system  Node 0 Node 3 Cached Size Dirty  File",
            "-----------  ------ ------ ------ ---- -----",
            "ext4              2      1      4    8     1  /data/a",
            "-                 0      -      1    8     -  /b\\x1b[2J",
            "-----------  ------ ------ ------ ---- -----",
            "Total             2      -      5   16     -",
            "1.00 MB of /data/a: node not known",
            "1.00 MB of /b\\x1b[2J: node not known",
        ];
        let printed = render(&files, &sample, &text);
        assert_eq!(printed.lines().collect::<Vec<_>>(), wanted, "{printed}");
        assert_eq!(render(&[], &sample, &text), "");
    }

    #[test]
    fn pages_of_tmpfs_are_not_called_droppable() {
        let sample = Sample::new("t".to_owned(), 4096, vec![NodeId(0), NodeId(3)]);
        let files = [file("/t", Some("tmpfs"), [Some(1), Some(2)], None)];
        let printed = render(&files, &sample, &StatText::default());
        assert!(printed.contains("nothing drops them"), "{printed}");
    }
}
