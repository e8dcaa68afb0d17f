//! Counts per node and per pair of nodes.
//!
//! Both run parallel to `host.nodes`: position *i* is the *i*-th node of that list, not node number
//! *i*, because node numbers may have gaps. Additions saturate: a count that no longer fits must
//! not become a small one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One count per node, in the order of `host.nodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerNode(pub Vec<u64>);

impl PerNode {
    /// Measured with nothing counted, on `nodes` nodes.
    #[must_use]
    pub fn zeros(nodes: usize) -> Self {
        Self(vec![0; nodes])
    }

    /// Returns the sum over all nodes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the count of the node at `position`; 0 beyond the end.
    #[must_use]
    pub fn at(&self, position: usize) -> u64 {
        self.0.get(position).copied().unwrap_or(0)
    }

    /// Returns the position with the largest count, the first of equal ones; `None` when all are 0.
    #[must_use]
    pub fn most(&self) -> Option<usize> {
        let counts = self.0.iter().enumerate();
        let (position, count) =
            counts.max_by_key(|(position, count)| (**count, Reverse(*position)))?;
        (*count > 0).then_some(position)
    }

    /// Adds `count` to the node at `position`, growing to reach it.
    pub fn add_at(&mut self, position: usize, count: u64) {
        if position >= self.0.len() {
            self.0.resize(position + 1, 0);
        }
        if let Some(slot) = self.0.get_mut(position) {
            *slot = slot.saturating_add(count);
        }
    }

    /// Adds another vector node by node.
    pub fn add(&mut self, other: &Self) {
        for (position, count) in other.0.iter().enumerate() {
            self.add_at(position, *count);
        }
    }
}

/// Counts by firmware's distance.
pub type ByDistance = BTreeMap<u32, u64>;

/// One count per pair of nodes, `[from][to]`, both in the order of `host.nodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Matrix(pub Vec<PerNode>);

impl Matrix {
    /// Measured with nothing counted, on `nodes` nodes.
    #[must_use]
    pub fn zeros(nodes: usize) -> Self {
        Self(vec![PerNode::zeros(nodes); nodes])
    }

    /// Returns the sum over all pairs.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0
            .iter()
            .fold(0, |sum, row| sum.saturating_add(row.total()))
    }

    /// Returns the sum over pairs of a node with itself.
    #[must_use]
    pub fn diagonal(&self) -> u64 {
        self.0
            .iter()
            .enumerate()
            .fold(0, |sum, (from, row)| sum.saturating_add(row.at(from)))
    }

    /// Returns the sum over pairs of two different nodes.
    #[must_use]
    pub fn off_diagonal(&self) -> u64 {
        self.total().saturating_sub(self.diagonal())
    }

    /// Returns the count for `from` and `to`; 0 beyond the ends.
    #[must_use]
    pub fn at(&self, from: usize, to: usize) -> u64 {
        self.0.get(from).map_or(0, |row| row.at(to))
    }

    /// Adds `count` for `from` and `to`. Start from [`Matrix::zeros`]: pairs beyond its size are
    /// ignored, because a ragged matrix would break every reader.
    pub fn add_at(&mut self, from: usize, to: usize, count: u64) {
        if let Some(slot) = self.0.get_mut(from).and_then(|row| row.0.get_mut(to)) {
            *slot = slot.saturating_add(count);
        }
    }

    /// Adds a matrix of the same size; an empty matrix takes the size of the other.
    pub fn add(&mut self, other: &Self) {
        if self.0.is_empty() {
            self.0.clone_from(&other.0);
            return;
        }
        for (row, more) in self.0.iter_mut().zip(&other.0) {
            row.add(more);
        }
    }

    /// Returns the sums by `from` (rows).
    #[must_use]
    pub fn by_from(&self) -> PerNode {
        PerNode(self.0.iter().map(PerNode::total).collect())
    }

    /// Returns the sums by `to` (columns).
    #[must_use]
    pub fn by_to(&self) -> PerNode {
        let mut sums = PerNode::zeros(self.0.len());
        for row in &self.0 {
            sums.add(row);
        }
        sums
    }
}

/// Returns `a + b` for quantities that may not have been measured: unknown plus known is unknown.
#[must_use]
pub fn sum_known(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.saturating_add(b?))
}

/// Adds vectors by the rule of [`sum_known`].
pub fn add_known(into: &mut Option<PerNode>, other: Option<&PerNode>) {
    match (into.as_mut(), other) {
        (Some(sum), Some(more)) => sum.add(more),
        _ => *into = None,
    }
}

/// Returns `part / whole`; `None` when the whole is 0.
#[must_use]
pub fn share(part: u64, whole: u64) -> Option<f64> {
    // Counts above 2^53 lose their last digits here; no share has that many.
    #[expect(clippy::cast_precision_loss, reason = "a share needs three digits")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagonal_and_off_diagonal_partition_the_total() {
        let mut m = Matrix::zeros(3);
        m.add_at(0, 0, 5);
        m.add_at(0, 2, 7);
        m.add_at(2, 1, 1);
        assert_eq!((m.total(), m.diagonal(), m.off_diagonal()), (13, 5, 8));
        assert_eq!(m.by_from(), PerNode(vec![12, 0, 1]));
        assert_eq!(m.by_to(), PerNode(vec![5, 1, 7]));
    }

    #[test]
    fn a_pair_beyond_the_matrix_leaves_it_square() {
        let mut m = Matrix::zeros(2);
        m.add_at(5, 0, 1);
        m.add_at(0, 5, 1);
        assert_eq!(m, Matrix::zeros(2));
    }

    #[test]
    fn unknown_plus_known_is_unknown() {
        let mut sum = Some(PerNode(vec![1, 2]));
        add_known(&mut sum, Some(&PerNode(vec![10, 20])));
        assert_eq!(sum, Some(PerNode(vec![11, 22])));
        add_known(&mut sum, None);
        assert_eq!(sum, None);
        assert_eq!(sum_known(Some(1), None), None);
    }

    #[test]
    fn the_largest_count_wins_and_the_first_of_equal_ones() {
        assert_eq!(PerNode(vec![3, 7, 7]).most(), Some(1));
        assert_eq!(PerNode(vec![0, 0]).most(), None);
    }

    #[test]
    fn counts_saturate_instead_of_wrapping() {
        let mut v = PerNode(vec![u64::MAX]);
        v.add_at(0, 1);
        assert_eq!(v.total(), u64::MAX);
    }

    #[test]
    fn nothing_has_no_share() {
        assert_eq!(share(0, 0), None);
        assert_eq!(share(1, 4), Some(0.25));
    }
}
