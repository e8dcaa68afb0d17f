//! A sample as tidy CSV: one value per line, so that any spreadsheet or data frame can pivot it.

use crate::model::stat::Sample;
use crate::model::stat::counters::{CounterView, NAMES};
use crate::model::stat::files::FileCache;
use crate::output::{csv, escape};

/// The header line.
pub const HEADER: &str = "table,time,interval_s,node,pid,comm,name,value\n";

/// Returns the lines of one sample. Unknown values have no line.
#[must_use]
pub fn lines(sample: &Sample) -> String {
    let mut lines = Lines {
        out: csv::Lines::default(),
        sample,
    };
    if let Some(section) = &sample.counters {
        lines.counters("counters", &section.nodes);
        if let Some(interval) = &section.interval {
            lines.counters("growth", &interval.nodes);
            if let Some(imbalance) = interval.imbalance {
                lines.line("growth", "", "", "", "imbalance", &imbalance.to_string());
            }
        }
    }
    for row in sample.meminfo.iter().flat_map(|section| &section.rows) {
        for (node, kib) in sample.nodes.iter().zip(&row.kib) {
            if let Some(kib) = kib {
                lines.line(
                    "meminfo_kib",
                    &node.to_string(),
                    "",
                    "",
                    &row.name,
                    &kib.to_string(),
                );
            }
        }
    }
    for process in sample
        .processes
        .iter()
        .flat_map(|section| &section.processes)
    {
        let pid = process.pid.to_string();
        let comm = escape::text(process.comm.as_bytes());
        let mut rows = |table: &str, name: &str, kib: &[u64]| {
            for (node, kib) in sample.nodes.iter().zip(kib) {
                lines.line(
                    table,
                    &node.to_string(),
                    &pid,
                    &comm,
                    name,
                    &kib.to_string(),
                );
            }
        };
        for (name, kib) in process.numastat.rows() {
            rows("process_kib", name, kib);
        }
        for kind in process.kinds.iter().flat_map(|kinds| &kinds.kinds) {
            rows("process_kind_kib", kind.kind.name(), &kind.kib);
        }
        let placement = &process.placement;
        let table = "process_placement";
        rows(table, "without_files_kib", &placement.without_files_kib);
        if let Some(ms) = &placement.cpu_ms {
            rows(table, "cpu_ms", ms);
        }
        let shares = placement.cpu_share.iter().flatten();
        for (node, share) in sample.nodes.iter().zip(shares) {
            let (node, share) = (node.to_string(), share.to_string());
            lines.line(table, &node, &pid, &comm, "cpu_share", &share);
        }
        if let Some(apart) = placement.placement_mismatch {
            let apart = apart.to_string();
            lines.line(table, "", &pid, &comm, "placement_mismatch", &apart);
        }
    }
    for file in sample.files.iter().flatten() {
        lines.file(file);
    }
    lines.out.finish()
}

struct Lines<'a> {
    out: csv::Lines,
    sample: &'a Sample,
}

impl Lines<'_> {
    fn counters(&mut self, table: &str, views: &[Option<CounterView>]) {
        for (node, view) in self.sample.nodes.iter().zip(views) {
            for (name, value) in view
                .iter()
                .flat_map(|view| NAMES.iter().zip(view.counters.values()))
            {
                self.line(table, &node.to_string(), "", "", name, &value.to_string());
            }
        }
    }

    /// The path is the name; the node of a line that has none is any.
    fn file(&mut self, file: &FileCache) {
        let path = escape::text(file.path.as_bytes());
        for (node, kib) in self.sample.nodes.iter().zip(&file.kib) {
            if let Some(kib) = kib {
                let node = node.to_string();
                self.line("file_kib", &node, "", "", &path, &kib.to_string());
            }
        }
        let of_all_nodes = [
            ("file_cached_kib", Some(file.cached_kib)),
            ("file_unknown_kib", Some(file.unknown_kib)),
            ("file_dirty_kib", file.dirty_kib),
            ("file_size_bytes", Some(file.size_bytes)),
        ];
        for (table, value) in of_all_nodes {
            if let Some(value) = value {
                self.line(table, "", "", "", &path, &value.to_string());
            }
        }
    }

    fn line(&mut self, table: &str, node: &str, pid: &str, comm: &str, name: &str, value: &str) {
        let seconds = self
            .sample
            .interval_s
            .map_or_else(String::new, |seconds| seconds.to_string());
        let (comm, name) = (csv::text(comm), csv::text(name));
        self.out.line([
            table,
            self.sample.time.as_str(),
            &seconds,
            node,
            pid,
            &comm,
            &name,
            value,
        ]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{NodeId, Pid};
    use crate::model::name::Name;
    use crate::model::stat::memory::{NumastatCategories, ProcessMemory, ProcessSection};
    use crate::model::stat::placement::ProcessPlacement;

    #[test]
    fn placement_has_a_value_per_node_and_one_for_the_process() {
        let mut sample = Sample::new("t".to_owned(), 4096, vec![NodeId(0), NodeId(3)]);
        let process = ProcessMemory {
            pid: Pid(7),
            comm: Name::from("app"),
            numastat: NumastatCategories::zeros(0),
            placement: ProcessPlacement {
                placement_mismatch: Some(0.75),
                cpu_ms: Some(vec![30, 10]),
                cpu_share: Some(vec![0.75, 0.25]),
                without_files_kib: vec![0, 8],
            },
            kinds: None,
            threads: None,
        };
        sample.processes = Some(only(process));
        let wanted = [
            "process_placement,t,,0,7,app,without_files_kib,0",
            "process_placement,t,,3,7,app,without_files_kib,8",
            "process_placement,t,,0,7,app,cpu_ms,30",
            "process_placement,t,,3,7,app,cpu_ms,10",
            "process_placement,t,,0,7,app,cpu_share,0.75",
            "process_placement,t,,3,7,app,cpu_share,0.25",
            "process_placement,t,,,7,app,placement_mismatch,0.75",
        ];
        assert_eq!(lines(&sample).lines().collect::<Vec<_>>(), wanted);
    }

    fn only(process: ProcessMemory) -> ProcessSection {
        ProcessSection {
            processes: vec![process],
            vanished: 0,
            left_out: 0,
            denied: 0,
            findings: vec![],
        }
    }

    #[test]
    fn a_file_has_a_value_per_node_and_none_for_what_is_not_known() {
        let mut sample = Sample::new("t".to_owned(), 4096, vec![NodeId(0), NodeId(3)]);
        sample.files = Some(vec![FileCache {
            path: "/a,b".into(),
            size_bytes: 5000,
            cached_kib: 8,
            kib: vec![Some(4), None],
            unknown_kib: 4,
            ..FileCache::default()
        }]);
        let wanted = [
            "file_kib,t,,0,,,\"/a,b\",4",
            "file_cached_kib,t,,,,,\"/a,b\",8",
            "file_unknown_kib,t,,,,,\"/a,b\",4",
            "file_size_bytes,t,,,,,\"/a,b\",5000",
        ];
        assert_eq!(lines(&sample).lines().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn hostile_names_stay_in_their_cell() {
        let mut sample = Sample::new("t".to_owned(), 4096, vec![NodeId(3)]);
        let process = ProcessMemory {
            pid: Pid(7),
            comm: Name::from("=1+\",\n"),
            numastat: NumastatCategories::zeros(1),
            placement: ProcessPlacement::default(),
            kinds: None,
            threads: None,
        };
        sample.processes = Some(only(process));
        let text = lines(&sample);
        assert_eq!(
            text.lines().next(),
            Some("process_kib,t,,3,7,\"'=1+\"\",\\n\",Huge,0")
        );
        assert_eq!(text.lines().count(), 4);
        assert_eq!(
            HEADER.matches(',').count(),
            "process_kib,t,,3,7,x,Huge,0".matches(',').count()
        );
    }
}
