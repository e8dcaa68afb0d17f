//! The counters over time: per interval one line per node, busiest first, or one line with a share
//! of every node.

use crate::model::number::UNKNOWN;
use crate::model::quantity::{
    float, header, header_per_s,
    headers::{HIT_SHARE, IMBALANCE as UNEVEN},
};
use crate::model::stat::Sample;
use crate::model::stat::counters::{CounterInterval, CounterView, Counters};
use crate::output::format::percent::rounded_down;
use crate::output::format::rate;

/// The share in a table over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// numa_hit of all allocations from the node.
    Hit,
    /// local_node of all allocations from the node.
    Local,
}

/// Width of the column of times.
const TIME: usize = 9;

/// Returns headers and widths of the columns of [`rates`] after the time.
fn columns() -> [(String, usize); 9] {
    [
        ("node".to_owned(), 6),
        (header_per_s("allocations"), 12),
        (HIT_SHARE.header.to_owned(), 9),
        (header("local_share"), 9),
        (header_per_s("numa_miss"), 10),
        (header_per_s("numa_foreign"), 11),
        (header_per_s("interleave_hit"), 14),
        (header_per_s("other_node"), 10),
        (UNEVEN.header.to_owned(), 11),
    ]
}

/// Lays out a line of [`rates`].
fn line(time: &str, cells: &[String]) -> String {
    let cells: String = columns()
        .iter()
        .zip(cells)
        .map(|((_, width), cell)| format!("{cell:>width$}"))
        .collect();
    format!("{time:<TIME$}{cells}\n")
}

/// Returns the header of [`rates`].
#[must_use]
pub fn rates_header() -> String {
    line("time", &columns().map(|(header, _)| header))
}

/// Returns one interval: the nodes by the allocations that they satisfied, then their sum. Rates
/// are allocations per second. Empty for the first reading.
#[must_use]
pub fn rates(sample: &Sample) -> String {
    let (Some(interval), Some(seconds)) = (interval(sample), sample.interval_s) else {
        return String::new();
    };
    let mut rows: Vec<(String, Option<&CounterView>)> = sample
        .nodes
        .iter()
        .zip(&interval.nodes)
        .filter(|(node, _)| !sample.empty_nodes.contains(node))
        .map(|(node, view)| (node.to_string(), view.as_ref()))
        .collect();
    rows.sort_by_key(|(_, view)| {
        std::cmp::Reverse(view.map_or(0, |view| view.counters.allocations()))
    });
    let time = |position| {
        if position == 0 {
            clock(&sample.time)
        } else {
            ""
        }
    };
    let lines = rows.iter().enumerate().map(|(position, (node, view))| {
        let Some(view) = view else {
            let node = line(time(position), std::slice::from_ref(node));
            let why = "counters were set to zero, or the node is new";
            return format!("{}  {why}\n", node.trim_end());
        };
        line(time(position), &cells(node, view, seconds))
    });
    let mut out: String = lines.collect();
    let mut all = cells("all", &interval.total, seconds);
    let imbalance = interval.imbalance.map(|part| format!("{part:.3}"));
    all.push(imbalance.unwrap_or_else(|| UNKNOWN.to_owned()));
    out.push_str(&line(time(rows.len()), &all));
    out
}

fn cells(node: &str, view: &CounterView, seconds: f64) -> Vec<String> {
    let rate = |count: u64| rate::whole(float(count) / seconds).to_string();
    let Counters {
        numa_miss,
        numa_foreign,
        interleave_hit,
        other_node,
        ..
    } = view.counters;
    let shares = [view.hit_share, view.local_share].map(rounded_down);
    let rates = [numa_miss, numa_foreign, interleave_hit, other_node].map(rate);
    [node.to_owned(), rate(view.counters.allocations())]
        .into_iter()
        .chain(shares)
        .chain(rates)
        .collect()
}

/// Explains the last column of [`rates`].
#[must_use]
pub fn legend() -> String {
    format!("{}: {}\n", UNEVEN.header, UNEVEN.what)
}

/// Returns the header of [`shares`].
#[must_use]
pub fn shares_header(sample: &Sample) -> String {
    let columns = super::node_columns(sample);
    let columns: String = columns
        .iter()
        .filter(|column| !column.is_empty())
        .map(|column| format!("{column:>10}"))
        .collect();
    format!("{:<TIME$}{columns}\n", "time")
}

/// Returns one interval as one line: a share per node.
#[must_use]
pub fn shares(sample: &Sample, share: Share) -> String {
    let Some(interval) = interval(sample) else {
        return String::new();
    };
    let views = sample
        .nodes
        .iter()
        .zip(&interval.nodes)
        .filter(|(node, _)| !sample.empty_nodes.contains(node))
        .map(|(_, view)| view.as_ref())
        .chain([Some(&interval.total)]);
    let value = |view: &CounterView| match share {
        Share::Hit => view.hit_share,
        Share::Local => view.local_share,
    };
    let cells = views.map(|view| format!("{:>10}", rounded_down(view.and_then(value))));
    format!(
        "{:<TIME$}{}\n",
        clock(&sample.time),
        cells.collect::<String>()
    )
}

fn interval(sample: &Sample) -> Option<&CounterInterval> {
    sample.counters.as_ref()?.interval.as_ref()
}

/// Returns the time of day of an RFC 3339 time: `03:04:05`.
fn clock(time: &str) -> &str {
    time.split_once('T')
        .and_then(|(_, clock)| clock.get(..8))
        .unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use crate::model::quantity::headers::is_known;
    use crate::model::stat::counters::CounterSection;

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
    fn headers_are_those_of_quantities() {
        let unknown = columns().into_iter().find(|(header, _)| !is_known(header));
        assert_eq!(unknown, None);
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
