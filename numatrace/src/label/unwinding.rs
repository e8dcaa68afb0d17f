//! How far a stack can be trusted: the kernel follows frame pointers, and where a compiler kept none it finds nothing, or anything.

use crate::model::Frame;

/// Why a stack may lack frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// What would have been the next return address is not in any code.
    Nonsense,
    /// It does not reach back to where its thread began.
    NoBeginning,
}

impl Boundary {
    /// For people.
    pub fn reason(self) -> &'static str {
        match self {
            Boundary::Nonsense => {
                "cut where addresses cease to make sense: code without frame pointers"
            }
            Boundary::NoBeginning => {
                "may be short: it does not reach the start of its thread, as in code without frame pointers"
            }
        }
    }
}

/// Functions that a program or thread begins in.
const BEGINNINGS: &[&str] = &[
    "main",
    "_start",
    "_start_c",
    "start_thread",
    "clone",
    "clone3",
    "__clone",
    "__clone3",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
    // Of the dynamic loader, which runs before the program.
    "_dl_start",
    "_dl_start_user",
];

/// The same as parts of longer names.
const LAST_PARTS: &[&str] = &["::thread_start", "::lang_start"];

/// Does a stack reach back to where its thread began?
pub fn begins(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| {
        frame.symbol.as_ref().is_some_and(|symbol| {
            let name = symbol.to_utf8();
            // Versions (`__libc_start_main@@GLIBC_2.34`) and hashes are no part of a name.
            let name = name.split('@').next().unwrap_or_default();
            BEGINNINGS.contains(&name) || LAST_PARTS.iter().any(|part| name.ends_with(part))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn a_stack_begins_where_its_thread_does() {
        let stack = |names: &[&str]| -> Vec<Frame> {
            let frame = |name: &&str| Frame {
                symbol: (!name.is_empty()).then(|| Name::from(*name)),
                ..Frame::default()
            };
            names.iter().map(frame).collect()
        };
        assert!(begins(&stack(&["memset", "fill", "main"])));
        assert!(begins(&stack(&["work", "start_thread@GLIBC_2.2.5"])));
        assert!(begins(&stack(&[
            "work",
            "std::sys::thread::unix::Thread::new::thread_start"
        ])));
        assert!(!begins(&stack(&["memset", "fill"])));
        assert!(!begins(&stack(&["memset", "", "domain"])));
        assert!(!begins(&[]));
    }
}
