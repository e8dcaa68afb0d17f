//! `vm.numa_stat`: is the kernel counting, and did anybody touch the switch?
//!
//! Switching it off zeroes every counter, and switching it on again starts from zero, so two readings can look as if nothing had happened.
//! A write to the file is noticed by inotify, which sysctl files support as any other file; only a write through another mount of
//! `/proc` goes unseen.

use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// Where the switch is.
const SWITCH: &str = "proc/sys/vm/numa_stat";

/// The switch, watched.
#[derive(Debug)]
pub struct NumaStat {
    watch: Option<Inotify>,
}

impl NumaStat {
    /// Begins to watch. A kernel without the switch, or one that does not let it be watched, is no error: then only its value is known.
    pub fn watch() -> Self {
        let watch =
            Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).and_then(|watch| {
                watch.add_watch(&Path::new("/").join(SWITCH), AddWatchFlags::IN_MODIFY)?;
                Ok(watch)
            });
        Self { watch: watch.ok() }
    }

    /// Was it written since this was asked last?
    pub fn written(&self) -> bool {
        self.watch
            .as_ref()
            .is_some_and(|watch| watch.read_events().is_ok_and(|events| !events.is_empty()))
    }
}

/// `Some(false)` when the kernel does not count; `None` when it does not say (then it counts: kernels before the sysctl always did).
pub fn counting(root: &Path) -> Option<bool> {
    let text = std::fs::read_to_string(root.join(SWITCH)).ok()?;
    Some(text.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_zero_says_that_the_kernel_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(counting(root.path()), None);
        let path = root.path().join(SWITCH);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for (text, expected) in [("0\n", false), ("1\n", true)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(counting(root.path()), Some(expected));
        }
    }
}
