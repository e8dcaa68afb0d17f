//! Reads a `numatrace.report/1`, with short ways to the quantities that tests compare. A quantity
//! that is `null` or missing is `None`, never 0.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The counters of numastat, in the order of the report.
pub const COUNTERS: [&str; 6] = [
    "numa_hit",
    "numa_miss",
    "numa_foreign",
    "interleave_hit",
    "local_node",
    "other_node",
];

/// Returns the findings of a report with an id.
///
/// # Panics
/// The report has no findings, not even an empty list.
#[must_use]
pub fn findings<'a>(report: &'a Value, id: &str) -> Vec<&'a Value> {
    let findings = report["findings"].as_array().expect("findings");
    findings
        .iter()
        .filter(|finding| finding["id"] == id)
        .collect()
}

/// A report and the file it came from.
#[derive(Debug)]
pub struct Report {
    /// The whole document.
    pub value: Value,
    /// The file it was read from.
    pub path: PathBuf,
}

impl Report {
    /// Reads a report file.
    ///
    /// # Errors
    /// The file is missing, is no JSON, or has a different schema.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("no report {}", path.display()))?;
        let value: Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no JSON", path.display()))?;
        ensure!(
            value["schema"] == "numatrace.report/1",
            "{} has schema {}",
            path.display(),
            value["schema"]
        );
        Ok(Self {
            value,
            path: path.to_owned(),
        })
    }

    /// Returns the node ids, in the order of all arrays.
    #[must_use]
    pub fn nodes(&self) -> Vec<u64> {
        let nodes = self.value["host"]["nodes"].as_array();
        nodes
            .into_iter()
            .flatten()
            .filter_map(|node| node["node"].as_u64())
            .collect()
    }

    /// Returns all entries of `processes`.
    pub fn processes(&self) -> impl Iterator<Item = Part<'_>> {
        self.value["processes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Part)
    }

    /// Returns the user process with that pid; the one that started last when a pid was reused.
    #[must_use]
    pub fn process(&self, pid: u64) -> Option<Part<'_>> {
        self.processes()
            .filter(|p| p.0["pid"] == pid && p.0["kind"] == "user")
            .max_by_key(|p| p.0["start_ns"].as_u64())
    }

    /// Returns the collective entry of that name, such as `[out of scope]`.
    #[must_use]
    pub fn bucket(&self, comm: &str) -> Option<Part<'_>> {
        self.processes()
            .find(|p| p.0["comm"] == comm && p.0["kind"] != "user")
    }

    /// Returns a count by JSON pointer, such as `/coverage/records_lost`.
    #[must_use]
    pub fn count(&self, pointer: &str) -> Option<u64> {
        Part(&self.value).count(pointer)
    }

    /// Returns how many executions of the tracer's programs the kernel skipped. Their allocations
    /// are in nobody's count, and in the audit's explanation; a process may lack up to so many.
    #[must_use]
    pub fn recursion_misses(&self) -> u64 {
        self.count("/coverage/recursion_misses").unwrap_or(0)
    }

    /// Returns the `state` of a hook by its stem.
    #[must_use]
    pub fn hook_state(&self, stem: &str) -> Option<&str> {
        let hooks = self.value["hooks"].as_array()?;
        hooks.iter().find(|hook| hook["hook"] == stem)?["state"].as_str()
    }

    /// Returns one audited counter per node; `side` is `kernel` or `traced`. `None` when the audit
    /// is unavailable.
    #[must_use]
    pub fn audited(&self, counter: &str, side: &str) -> Option<Vec<u64>> {
        self.value["audit"]["nodes"]
            .as_array()
            .filter(|nodes| !nodes.is_empty())?
            .iter()
            .map(|node| node[counter][side].as_u64())
            .collect()
    }

    /// Returns the sum over processes of an array per node, such as `/alloc/numa_hit`. A process
    /// without the array adds nothing; `None` when none has it.
    #[must_use]
    pub fn sum(&self, pointer: &str) -> Option<Vec<u64>> {
        self.processes()
            .filter_map(|p| p.vector(pointer))
            .reduce(|mut sum, more| {
                sum.iter_mut()
                    .zip(more)
                    .for_each(|(sum, more)| *sum += more);
                sum
            })
    }

    /// Returns the sum over processes of a node×node matrix.
    #[must_use]
    pub fn matrix_sum(&self, pointer: &str) -> Option<Vec<Vec<u64>>> {
        self.processes()
            .filter_map(|p| p.matrix(pointer))
            .reduce(|mut sum, more| {
                sum.iter_mut()
                    .flatten()
                    .zip(more.into_iter().flatten())
                    .for_each(|(sum, more)| *sum += more);
                sum
            })
    }

    /// Returns the breaches of the sums that the contract promises. For guests, where the
    /// contract's own checker cannot run.
    #[must_use]
    pub fn broken_sums(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for counter in COUNTERS {
            let (sum, traced) = (
                self.sum(&format!("/alloc/{counter}")),
                self.audited(counter, "traced"),
            );
            if traced.is_some() && sum != traced {
                broken.push(format!(
                    "{counter}: processes add up to {sum:?}, traced is {traced:?}"
                ));
            }
        }
        for mapping in self.processes().flat_map(|process| process.mappings()) {
            let (whole, stacks) = mapping.touched();
            if stacks > whole {
                broken.push(format!(
                    "mapping {}: stacks touched {stacks} pages of {whole}",
                    mapping.0["start"]
                ));
            }
        }
        broken
    }
}

/// A part of a report: a process, a thread, a mapping.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a>(pub &'a Value);

impl<'a> Part<'a> {
    /// Returns a count by JSON pointer.
    #[must_use]
    pub fn count(&self, pointer: &str) -> Option<u64> {
        self.0.pointer(pointer)?.as_u64()
    }

    /// Returns a text by JSON pointer.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<&'a str> {
        self.0.pointer(pointer)?.as_str()
    }

    /// Returns an array per node by JSON pointer.
    #[must_use]
    pub fn vector(&self, pointer: &str) -> Option<Vec<u64>> {
        vector(self.0.pointer(pointer)?)
    }

    /// Returns a node×node matrix by JSON pointer.
    #[must_use]
    pub fn matrix(&self, pointer: &str) -> Option<Vec<Vec<u64>>> {
        self.0
            .pointer(pointer)?
            .as_array()?
            .iter()
            .map(vector)
            .collect()
    }

    /// Returns the mappings of a process.
    pub fn mappings(&self) -> impl Iterator<Item = Part<'a>> + use<'a> {
        let mappings = self.0["mappings"].as_array();
        mappings.into_iter().flatten().map(Part)
    }

    /// Returns, for a mapping, the base pages touched first in it, and how many of them its stacks
    /// account for.
    fn touched(&self) -> (u64, u64) {
        let touch = Part(&self.0["first_touch"]);
        let whole = touch.matrix("/pages").into_iter().flatten().flatten();
        let stacks = touch.0["by_stack"].as_array().into_iter().flatten();
        let of_stacks = stacks.filter_map(|stack| stack["pages"].as_u64());
        (whole.sum(), of_stacks.sum())
    }

    /// Returns the thread with that id.
    #[must_use]
    pub fn thread(&self, tid: u64) -> Option<Part<'a>> {
        self.0["threads"]
            .as_array()?
            .iter()
            .find(|thread| thread["tid"] == tid)
            .map(Part)
    }
}

fn vector(value: &Value) -> Option<Vec<u64>> {
    value.as_array()?.iter().map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Report {
        Report::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/example.json")).unwrap()
    }

    #[test]
    fn the_example_is_read_by_process_node_and_counter() {
        let report = example();
        let app = report.process(4242).unwrap();
        assert_eq!(report.nodes(), [0, 1]);
        assert_eq!(app.vector("/alloc/other_node"), Some(vec![0, 100]));
        assert_eq!(
            app.matrix("/task_moves/matrix"),
            Some(vec![vec![0, 1], vec![1, 0]])
        );
        assert_eq!(app.thread(4243).unwrap().text("/comm"), Some("worker"));
        assert_eq!(report.hook_state("page_alloc"), Some("attached"));
        assert_eq!(
            report
                .bucket("[out of scope]")
                .unwrap()
                .vector("/alloc/pages"),
            Some(vec![520, 760])
        );
    }

    #[test]
    fn null_is_none_and_not_zero() {
        assert_eq!(example().bucket("[irq]").unwrap().vector("/run_ns"), None);
    }

    #[test]
    fn the_example_adds_up_and_a_changed_one_does_not() {
        let mut report = example();
        assert_eq!(report.broken_sums(), [] as [String; 0]);
        report.value["processes"][0]["alloc"]["numa_hit"][0] = 1.into();
        assert_eq!(report.broken_sums().len(), 1);
    }

    #[test]
    fn stacks_that_touched_more_than_their_mapping_has_are_seen() {
        let mut report = example();
        let touch = |report: &mut Report, pages: u64| {
            report.value["processes"][0]["mappings"][0]["first_touch"]["by_stack"] =
                serde_json::json!([{ "id": 0, "pages": pages, "remote": 0 }]);
        };
        touch(&mut report, 16_384);
        assert_eq!(report.broken_sums(), [] as [String; 0]);
        touch(&mut report, 16_385);
        assert_eq!(report.broken_sums().len(), 1);
    }
}
