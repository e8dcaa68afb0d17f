//! The counters over time: per interval a line per node, busiest first; or one line with a share of every node.

use std::fmt::Write as _;

use crate::model::stat::Sample;
use crate::model::stat::counters::{CounterInterval, CounterView};

/// Which share a table over time shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// numa_hit of all allocations from the node.
    Hit,
    /// local_node of all allocations from the node.
    Local,
}

/// Header of [`rates`].
#[must_use]
pub fn rates_header() -> String {
    format!(
        "{:<9}{:>6}{:>13}{:>9}{:>9}{:>11}{:>11}{:>11}{:>11}{:>11}\n",
        "time",
        "node",
        "alloc/s",
        "hit",
        "local",
        "miss/s",
        "foreign/s",
        "interl/s",
        "other/s",
        "imbalance"
    )
}

/// One interval: the nodes by what they gave, then their sum. Rates are allocations per second. Empty in the first reading.
#[must_use]
pub fn rates(sample: &Sample) -> String {
    let (Some(interval), Some(seconds)) = (interval(sample), sample.interval_s) else {
        return String::new();
    };
    let mut rows: Vec<(String, Option<&CounterView>)> = sample
        .nodes
        .iter()
        .zip(&interval.nodes)
        .map(|(node, view)| (node.to_string(), view.as_ref()))
        .collect();
    rows.sort_by_key(|(_, view)| {
        std::cmp::Reverse(view.map_or(0, |view| view.counters.allocations()))
    });
    rows.push(("all".to_owned(), Some(&interval.total)));
    let mut out = String::new();
    for (position, (node, view)) in rows.iter().enumerate() {
        let time = if position == 0 {
            clock(&sample.time)
        } else {
            ""
        };
        let _ = write!(out, "{time:<9}{node:>6}");
        match view {
            Some(view) => {
                let rate = |count: u64| format!("{:.0}", float(count) / seconds);
                let counters = &view.counters;
                let _ = write!(
                    out,
                    "{:>13}{:>9}{:>9}",
                    rate(counters.allocations()),
                    percent(view.hit_share),
                    percent(view.local_share)
                );
                for count in [
                    counters.numa_miss,
                    counters.numa_foreign,
                    counters.interleave_hit,
                    counters.other_node,
                ] {
                    let _ = write!(out, "{:>11}", rate(count));
                }
            }
            None => out.push_str("  counters were set to zero, or the node is new"),
        }
        if position + 1 == rows.len() {
            let _ = write!(
                out,
                "{:>11}",
                interval
                    .imbalance
                    .map_or_else(|| "-".to_owned(), |imbalance| format!("{imbalance:.3}"))
            );
        }
        out.push('\n');
    }
    out
}

/// What the last column of [`rates`] is.
pub const IMBALANCE: &str = "imbalance: part of the allocations that would have to come from another node for all nodes to give equally many\n";

/// Header of [`shares`].
#[must_use]
pub fn shares_header(sample: &Sample) -> String {
    let columns = sample
        .nodes
        .iter()
        .map(|node| format!("Node {node}"))
        .chain(["Total".to_owned()]);
    format!(
        "{:<9}{}\n",
        "time",
        columns
            .map(|column| format!("{column:>10}"))
            .collect::<String>()
    )
}

/// One interval as one line: a share per node.
#[must_use]
pub fn shares(sample: &Sample, share: Share) -> String {
    let Some(interval) = interval(sample) else {
        return String::new();
    };
    let views = interval
        .nodes
        .iter()
        .map(Option::as_ref)
        .chain([Some(&interval.total)]);
    let value = |view: &CounterView| match share {
        Share::Hit => view.hit_share,
        Share::Local => view.local_share,
    };
    let cells = views.map(|view| format!("{:>10}", percent(view.and_then(value))));
    format!("{:<9}{}\n", clock(&sample.time), cells.collect::<String>())
}

fn interval(sample: &Sample) -> Option<&CounterInterval> {
    sample.counters.as_ref()?.interval.as_ref()
}

/// `03:04:05` of an RFC 3339 time.
fn clock(time: &str) -> &str {
    time.split_once('T')
        .and_then(|(_, clock)| clock.get(..8))
        .unwrap_or(time)
}

/// Shares round down: what is not all is never shown as 100 %.
fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "-".to_owned(),
        |share| format!("{:.2}%", (share * 1e4).floor() / 1e2),
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown as a whole number of events per second"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use crate::model::stat::counters::{CounterSection, Counters};

    fn sample() -> Sample {
        let mut sample = Sample::new(
            "2026-01-02T03:04:05.678Z".to_owned(),
            4096,
            vec![NodeId(0), NodeId(2), NodeId(3)],
        );
        let view = |numa_hit, other_node| {
            let local_node = numa_hit - other_node;
            CounterView::from(Counters {
                numa_hit,
                local_node,
                other_node,
                ..Counters::default()
            })
        };
        sample.interval_s = Some(2.0);
        sample.counters = Some(CounterSection {
            counting: Some(true),
            nodes: vec![],
            total: view(0, 0),
            interval: Some(CounterInterval {
                nodes: vec![Some(view(100, 0)), Some(view(900_000, 1)), None],
                total: view(900_100, 1),
                imbalance: Some(0.5),
            }),
        });
        sample
    }

    #[test]
    fn the_busiest_node_is_first_and_rates_are_per_second() {
        let text = rates(&sample());
        let lines: Vec<&str> = text.lines().collect();
        let words: Vec<&str> = lines[0].split_whitespace().collect();
        assert_eq!(
            words,
            [
                "03:04:05", "2", "450000", "100.00%", "99.99%", "0", "0", "0", "0"
            ]
        );
        assert!(lines[2].contains("set to zero"), "{text}");
        assert!(lines[3].ends_with("0.500"), "{text}");
        assert_eq!(
            lines[0].len(),
            rates_header().trim_end().len() - "  imbalance".len(),
            "columns stand under their headers"
        );
    }

    #[test]
    fn shares_are_one_line_and_the_first_reading_has_none() {
        assert_eq!(
            shares(&sample(), Share::Local),
            "03:04:05    100.00%    99.99%         -    99.99%\n"
        );
        let first = Sample {
            counters: None,
            ..sample()
        };
        assert_eq!(
            (rates(&first), shares(&first, Share::Hit)),
            (String::new(), String::new())
        );
    }
}
