//! Placement mismatch: how far a process's CPU time and its memory are on different nodes.

/// Returns ½ Σ |share of the CPU time − share of the memory| over the nodes, 0 to 1: 0 when both
/// are spread alike, 1 when no node has both.
///
/// `cpu` and `memory` have one value per node, in the same order; only their proportions matter, so
/// their units do not. `None` when either has nothing in it, or their lengths differ.
///
/// Memory of files (page cache, program text) is to be left out: its place says who read the file
/// first, and not where the process lives.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a share of sums beyond 2^53 is right to 15 digits all the same"
)]
pub fn mismatch(cpu: &[u64], memory: &[u64]) -> Option<f64> {
    // Sums of u64 in u128: 2^64 of them would fit.
    let sum = |values: &[u64]| values.iter().map(|&value| u128::from(value)).sum::<u128>();
    let (all_cpu, all_memory) = (sum(cpu), sum(memory));
    if cpu.len() != memory.len() || all_cpu == 0 || all_memory == 0 {
        return None;
    }
    let apart = cpu.iter().zip(memory).map(|(&cpu, &memory)| {
        (cpu as f64 / all_cpu as f64 - memory as f64 / all_memory as f64).abs()
    });
    // Shares are rounded, so their sum may pass 2 by a few units of the last digit.
    Some((apart.sum::<f64>() / 2.0).min(1.0))
}

/// Returns a part of a time; `share` is 0 to 1.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share has some ten good digits, and a part of a u64 is one"
)]
pub fn part(of_ns: u64, share: f64) -> u64 {
    (of_ns as f64 * share.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_is_0_apart_is_1_and_half_is_half() {
        assert_eq!(mismatch(&[7, 0], &[4096, 0]), Some(0.0));
        assert_eq!(mismatch(&[3, 1], &[300, 100]), Some(0.0), "spread alike");
        assert_eq!(mismatch(&[7, 0], &[0, 4096]), Some(1.0));
        assert_eq!(mismatch(&[1, 1], &[0, 4096]), Some(0.5));
        assert_eq!(mismatch(&[1, 0, 1, 0], &[0, 1, 0, 1]), Some(1.0));
    }

    #[test]
    fn nothing_on_one_side_has_no_mismatch() {
        assert_eq!(mismatch(&[0, 0], &[1, 1]), None);
        assert_eq!(mismatch(&[1, 1], &[0, 0]), None);
        assert_eq!(mismatch(&[], &[]), None);
        assert_eq!(mismatch(&[1, 1], &[1]), None, "not the same nodes");
    }

    #[test]
    fn sums_do_not_overflow_and_the_result_stays_within_1() {
        let most = [u64::MAX; 4];
        assert_eq!(mismatch(&most, &most), Some(0.0));
        assert_eq!(mismatch(&[u64::MAX, 0], &[0, u64::MAX]), Some(1.0));
        // Sevenths and elevenths are not exact in binary.
        let cpu = [1, 2, 4, 0, 0, 0];
        let memory = [0, 0, 0, 3, 5, 3];
        let apart = mismatch(&cpu, &memory).unwrap();
        assert!(apart <= 1.0 && apart > 0.999_999, "{apart}");
    }

    #[test]
    fn it_is_the_share_that_would_have_to_move() {
        let apart = mismatch(&[9, 1], &[1, 9]).unwrap();
        assert!((apart - 0.8).abs() < 1e-12, "{apart}");
        assert_eq!(apart, mismatch(&[90, 10], &[1 << 30, 9 << 30]).unwrap());
    }
}
