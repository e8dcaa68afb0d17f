//! The last rates of the six counters of each node, for sparklines.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    ids::NodeId,
    model::{Counter, Snapshot},
    output::format::rate::per_second,
};

/// Intervals that are kept: the width of the widest sparkline.
const KEPT: usize = 120;

/// Rates of the past intervals, newest last; `None` for an interval that did not measure it.
#[derive(Clone, Debug, Default)]
pub struct History {
    rates: BTreeMap<(NodeId, Counter), VecDeque<Option<f64>>>,
}

impl History {
    /// Adds an interval.
    pub fn add(&mut self, snapshot: &Snapshot) {
        let seconds = snapshot.session.duration_s;
        let total = snapshot.alloc_total();
        for (position, node) in snapshot.host.nodes.iter().enumerate() {
            for counter in Counter::ALL {
                let counted = total
                    .as_ref()
                    .and_then(|alloc| alloc.counter(counter))
                    .map(|counts| counts.at(position));
                let rates = self.rates.entry((node.node, counter)).or_default();
                if rates.len() == KEPT {
                    rates.pop_front();
                }
                rates.push_back(per_second(counted, seconds));
            }
        }
    }

    /// Returns the rate of the last interval.
    #[must_use]
    pub fn last(&self, node: NodeId, counter: Counter) -> Option<f64> {
        *self.rates.get(&(node, counter))?.back()?
    }

    /// Returns the last `width` rates as bars of one character each, scaled to the largest; an
    /// interval without a measurement is a gap.
    #[must_use]
    pub fn sparkline(&self, node: NodeId, counter: Counter, width: usize) -> String {
        const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let Some(rates) = self.rates.get(&(node, counter)) else {
            return String::new();
        };
        let shown = rates.iter().skip(rates.len().saturating_sub(width));
        let largest = shown.clone().flatten().fold(0.0_f64, |a, b| a.max(*b));
        shown
            .map(|rate| match rate {
                None => ' ',
                Some(rate) if *rate <= 0.0 || largest <= 0.0 => BARS[0],
                Some(rate) => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "a share of 0 to 1 becomes 0 to 7"
                    )]
                    let bar = (rate / largest * 7.0).ceil() as usize;
                    BARS[bar.min(7)]
                }
            })
            .collect()
    }
}
