//! Injected faults, for tests that check whether a session notices them.
//!
//! A check that cannot fail proves nothing, so `--inject` breaks the accounting on purpose. The
//! help does not show this option: users never need it.

use std::str::FromStr;

/// The faults of a session; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// One in N allocations is not counted; 0 = all are. At 0 the verifier drops the code.
    pub drop_one_in: u32,
    /// Entries of the table of totals, instead of its normal size.
    pub totals_entries: Option<u32>,
    /// Epochs that userspace begins at a time, instead of one: so they wrap within seconds.
    pub epochs_at_once: Option<u32>,
    /// The sweep, counted from one, in which numatrace panics.
    pub panic_in_sweep: Option<u32>,
}

/// One fault as typed on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `drop=N`
    Drop(u32),
    /// `totals=N`
    Totals(u32),
    /// `epochs=N`
    Epochs(u32),
    /// `panic=N`
    Panic(u32),
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |value: &str| value.parse().ok().filter(|number| *number > 0);
        let fault = text.split_once('=').and_then(|(name, value)| match name {
            "drop" => number(value).map(Self::Drop),
            "totals" => number(value).map(Self::Totals),
            "epochs" => number(value).map(Self::Epochs),
            "panic" => number(value).map(Self::Panic),
            _ => None,
        });
        fault.ok_or_else(|| {
            "give drop=N (one in N allocations is not counted), totals=N (room for N totals), \
             epochs=N (N epochs at a time) or panic=N (in sweep N)"
                .to_owned()
        })
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut all = Self::default();
        for fault in faults {
            match fault {
                Fault::Drop(one_in) => all.drop_one_in = one_in,
                Fault::Totals(entries) => all.totals_entries = Some(entries),
                Fault::Epochs(at_once) => all.epochs_at_once = Some(at_once),
                Fault::Panic(sweep) => all.panic_in_sweep = Some(sweep),
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_with_a_number_above_zero() {
        let faults: Faults = ["drop=100", "totals=64"]
            .map(|fault| fault.parse().unwrap())
            .into_iter()
            .collect();
        assert_eq!((faults.drop_one_in, faults.totals_entries), (100, Some(64)));
        for wrong in ["drop", "drop=", "drop=0", "totals=-1", "other=3"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }
}
