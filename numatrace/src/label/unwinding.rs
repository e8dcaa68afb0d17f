//! Signs that a stack is incomplete. The kernel follows frame pointers; where a compiler kept none
//! it finds no frames, or wrong ones.

use crate::model::Frame;

/// The reason why a stack may lack frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// The next return address would not be in any code.
    NotCode,
    /// The stack does not reach back to the start of its thread.
    NoStart,
}

impl Incomplete {
    /// Returns the reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Incomplete::NotCode => {
                "ends where the next address is not in any code: code without frame pointers"
            }
            Incomplete::NoStart => {
                "may be short: it does not reach the start of its thread, as in code without frame \
                 pointers"
            }
        }
    }
}

/// Functions that a program or thread starts in.
const STARTS: &[&str] = &[
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

/// Ends of longer names of such functions.
const ENDINGS: &[&str] = &["::thread_start", "::lang_start"];

/// Returns whether a stack reaches back to the start of its thread.
pub fn reaches_start(frames: &[Frame]) -> bool {
    frames.iter().any(|frame| {
        frame.symbol.as_ref().is_some_and(|symbol| {
            let name = symbol.to_utf8();
            // Versions (`__libc_start_main@@GLIBC_2.34`) and hashes are no part of a name.
            let name = name.split('@').next().unwrap_or_default();
            STARTS.contains(&name) || ENDINGS.iter().any(|part| name.ends_with(part))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    #[test]
    fn a_stack_is_whole_when_it_reaches_the_start_of_its_thread() {
        let stack = |names: &[&str]| -> Vec<Frame> {
            let frame = |name: &&str| Frame {
                symbol: (!name.is_empty()).then(|| Name::from(*name)),
                ..Frame::default()
            };
            names.iter().map(frame).collect()
        };
        assert!(reaches_start(&stack(&["memset", "fill", "main"])));
        assert!(reaches_start(&stack(&["work", "start_thread@GLIBC_2.2.5"])));
        assert!(reaches_start(&stack(&[
            "work",
            "std::sys::thread::unix::Thread::new::thread_start"
        ])));
        assert!(!reaches_start(&stack(&["memset", "fill"])));
        assert!(!reaches_start(&stack(&["memset", "", "domain"])));
        assert!(!reaches_start(&[]));
    }
}
