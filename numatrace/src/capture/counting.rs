//! `vm.numa_stat`: whether the kernel counts, and whether the switch was written.
//!
//! Switching it off zeroes every counter, and switching it on again starts from zero, so two
//! readings can look as if nothing had happened. inotify reports writes to the file, as for any
//! other file; only a write through a different mount of `/proc` is missed.

use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// The file of the switch, below the root.
const SWITCH: &str = "proc/sys/vm/numa_stat";

/// A watch on the switch.
#[derive(Debug)]
pub struct NumaStat {
    watch: Option<Inotify>,
}

impl NumaStat {
    /// Begins to watch. A kernel without the switch, or one that refuses the watch, is no error:
    /// then only the value is known.
    pub fn watch() -> Self {
        let watch =
            Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).and_then(|watch| {
                watch.add_watch(&Path::new("/").join(SWITCH), AddWatchFlags::IN_MODIFY)?;
                Ok(watch)
            });
        Self { watch: watch.ok() }
    }

    /// Returns whether the switch was written since the last call.
    pub fn written(&self) -> bool {
        self.watch
            .as_ref()
            .is_some_and(|watch| watch.read_events().is_ok_and(|events| !events.is_empty()))
    }
}

/// Returns `Some(false)` when the kernel does not count, and `None` when it has no switch (kernels
/// before the sysctl always count).
pub fn counting(root: &Path) -> Option<bool> {
    let text = std::fs::read_to_string(root.join(SWITCH)).ok()?;
    Some(text.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_zero_means_that_the_kernel_does_not_count() {
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
