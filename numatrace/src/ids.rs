//! Numbers by which the kernel identifies things, each in a type of its own, so that a node is
//! never taken for a CPU.
//!
//! All stages share them. They are serialized as bare numbers.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Defines a transparent number with `Display`, `From` and serde.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(number: $inner) -> Self {
                Self(number)
            }
        }

        impl From<$name> for $inner {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

number! {
    /// NUMA node as sysfs numbers it; numbers may be sparse. Holds the kernel's largest
    /// `NODES_SHIFT` (10).
    NodeId(u16)
}

number! {
    /// Logical CPU as sysfs numbers it.
    CpuId(u32)
}

number! {
    /// Process: the kernel's `tgid`, in the PID namespace of its source.
    Pid(u32)
}

number! {
    /// Thread: the kernel's `pid`, in the PID namespace of its source.
    Tid(u32)
}

impl NodeId {
    /// Returns the number as an array index.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Returns numbers in the format of kernel lists: `0-3,8`. Ascending input gives the shortest list.
#[must_use]
pub fn ranges(numbers: impl IntoIterator<Item = u32>) -> String {
    let mut out = String::new();
    let mut numbers = numbers.into_iter().peekable();
    while let Some(first) = numbers.next() {
        let mut last = first;
        while let Some(next) = numbers.next_if(|&next| last.checked_add(1) == Some(next)) {
            last = next;
        }
        if !out.is_empty() {
            out.push(',');
        }
        // Writing to a String cannot fail.
        let _ = if first == last {
            write!(out, "{first}")
        } else {
            write!(out, "{first}-{last}")
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_pad_and_serialize_bare() {
        assert_eq!(format!("[{:>3}]", NodeId(7)), "[  7]");
        assert_eq!(
            serde_json::to_string(&(NodeId(1), CpuId(2), Pid(3), Tid(4))).unwrap(),
            "[1,2,3,4]"
        );
        assert_eq!(serde_json::from_str::<NodeId>("12").unwrap(), NodeId(12));
        assert!(serde_json::from_str::<NodeId>("70000").is_err());
    }
}
