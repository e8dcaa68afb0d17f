//! The home node of a process: the one definition that reports, `top` and `events` share.

/// Returns the node that holds more than half of the pages, or `None` when no node does.
///
/// `pages` yields each node once. A process is at home where most of its memory lies; memory that
/// is spread evenly, and memory of which nothing is known, has no home.
pub fn home<N>(pages: impl Iterator<Item = (N, u64)> + Clone) -> Option<N> {
    let total = pages
        .clone()
        .fold(0u64, |sum, (_, pages)| sum.saturating_add(pages));
    let mut nodes = pages;
    nodes
        .find(|(_, pages)| pages.saturating_mul(2) > total)
        .map(|(node, _)| node)
}

#[cfg(test)]
mod tests {
    use super::home;

    #[test]
    fn home_is_the_node_with_more_than_half_and_half_is_not_enough() {
        assert_eq!(home([(0, 50), (1, 51)].into_iter()), Some(1));
        assert_eq!(home([(0, 50), (1, 50)].into_iter()), None);
        assert_eq!(home([(0, 40), (1, 30), (2, 30)].into_iter()), None);
        assert_eq!(home([(0, 0), (1, 0)].into_iter()), None);
    }
}
