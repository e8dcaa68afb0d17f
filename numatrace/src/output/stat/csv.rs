//! A sample as tidy CSV: one value per line, so that any spreadsheet or data frame can pivot it.

use crate::model::stat::Sample;
use crate::model::stat::counters::{CounterView, NAMES};
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

    #[test]
    fn hostile_names_stay_in_their_cell() {
        let mut sample = Sample::new("t".to_owned(), 4096, vec![NodeId(3)]);
        let process = ProcessMemory {
            pid: Pid(7),
            comm: Name::from("=1+\",\n"),
            numastat: NumastatCategories::zeros(1),
            kinds: None,
            threads: None,
        };
        sample.processes = Some(ProcessSection {
            processes: vec![process],
            vanished: 0,
            left_out: 0,
            denied: 0,
        });
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
