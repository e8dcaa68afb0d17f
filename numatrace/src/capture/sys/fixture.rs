//! Files for tests, written the way the kernel shows its own.

use std::{fs, path::Path};

/// Writes a file and the directories above it, ending in a newline as the kernel does.
pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{text}\n")).unwrap();
}
