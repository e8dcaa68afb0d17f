//! Runs one target: many inputs, each from a number that makes it again.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::dice::Dice;

/// Seconds that a target runs; without it, a fixed number of inputs.
const SECONDS: &str = "NUMATRACE_FUZZ_SECONDS";
/// Number of the first input; without [`SECONDS`] of the only one.
const SEED: &str = "NUMATRACE_FUZZ_SEED";

/// Time of one input, most of it for a build without optimization on a busy machine.
const LONGEST: Duration = Duration::from_secs(20);

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// Makes inputs and has each read; `input` returns whether it was accepted. A few are accepted, or
/// the target shakes so hard that nothing is tried.
pub fn run(target: &str, inputs: u64, mut input: impl FnMut(&mut Dice) -> bool) {
    let (seconds, seed) = (number(SECONDS), number(SEED));
    let began = Instant::now();
    let first = match (seconds, seed) {
        (_, Some(seed)) => seed,
        (None, None) => 1,
        // Different inputs in each long run.
        (Some(_), None) => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |now| now.as_secs() << 20),
    };
    let is_over = |done: u64| match (seconds, seed) {
        (Some(seconds), _) => began.elapsed().as_secs() >= seconds,
        (None, Some(_)) => done > 0,
        (None, None) => done >= inputs,
    };
    let (mut done, mut accepted, mut longest) = (0, 0_u64, Duration::ZERO);
    while !is_over(done) {
        let seed = first + done;
        let began = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| input(&mut Dice::new(seed))));
        let took = began.elapsed();
        let again = format!("{SEED}={seed} cargo test -p numatrace --test fuzz {target}");
        match result {
            Ok(taken) => accepted += u64::from(taken),
            Err(_) => panic!("again: {again}"),
        }
        assert!(took < LONGEST, "an input took {took:?}; again: {again}");
        longest = longest.max(took);
        done += 1;
    }
    println!("{target}: {done} inputs from {first} on, {accepted} accepted, longest {longest:?}");
    assert!(
        accepted > 0 || done < inputs,
        "every input was refused: {target} shakes too hard"
    );
}
