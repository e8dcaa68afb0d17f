//! First touches that were withdrawn: the kernel side counts a page when a fault allocates it, and
//! counts it once more, as withdrawn, when the fault frees it again.

use std::collections::BTreeMap;

use crate::{
    decode::count::{CountKind, TouchKey},
    enrich::{Charged, Observation},
};

/// Takes withdrawn touches off the touches of the same owner and key in one sweep: nearly all are
/// counted by the same one. The rest stays in the list, as withdrawn.
pub fn settle(seen: &mut Vec<Observation>) {
    let mut withdrawn: BTreeMap<(Charged, TouchKey), Observation> = BTreeMap::new();
    for observation in seen.extract_if(.., |seen| is_withdrawn(seen.what)) {
        let CountKind::FirstTouch(key) = observation.what else {
            continue;
        };
        let touched = TouchKey {
            withdrawn: false,
            ..key
        };
        withdrawn
            .entry((observation.charged, touched))
            .and_modify(|sum| {
                sum.count = sum.count.saturating_add(observation.count);
                sum.amount = sum.amount.saturating_add(observation.amount);
            })
            .or_insert(observation);
    }
    if withdrawn.is_empty() {
        return;
    }
    for touch in seen.iter_mut() {
        let CountKind::FirstTouch(key) = touch.what else {
            continue;
        };
        if let Some(left) = withdrawn.get_mut(&(touch.charged, key)) {
            let (count, amount) = (touch.count.min(left.count), touch.amount.min(left.amount));
            touch.count -= count;
            touch.amount -= amount;
            left.count -= count;
            left.amount -= amount;
        }
    }
    seen.extend(withdrawn.into_values().filter(|left| left.amount > 0));
}

fn is_withdrawn(what: CountKind) -> bool {
    matches!(what, CountKind::FirstTouch(key) if key.withdrawn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn touch(pages: u64, thp: bool, withdrawn: bool) -> Observation {
        Observation {
            epoch: 1,
            charged: Charged::Overflow,
            what: CountKind::FirstTouch(TouchKey {
                nodes: (NodeId(0), NodeId(0)),
                kind: None,
                cow: false,
                thp,
                withdrawn,
            }),
            count: pages,
            amount: pages,
        }
    }

    #[test]
    fn withdrawn_touches_leave_what_stayed() {
        let mut seen = vec![
            touch(5, false, false),
            touch(10, true, false),
            touch(4, true, true),
            touch(3, true, true),
        ];
        settle(&mut seen);
        assert_eq!(seen, [touch(5, false, false), touch(3, true, false)]);
    }

    #[test]
    fn what_an_earlier_sweep_counted_stays_withdrawn() {
        let mut seen = vec![touch(2, false, false), touch(3, false, true)];
        settle(&mut seen);
        assert_eq!(seen, [touch(0, false, false), touch(1, false, true)]);
    }
}
