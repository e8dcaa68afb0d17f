//! Reads a suite's `Packages` file: one paragraph per package, `Field: value` per line.

use std::io::{self, BufRead};

/// One package of one suite.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Package {
    /// `Package`.
    pub name: String,
    /// `Version`, with epoch and revision.
    pub version: String,
    /// `Size` of the archive in bytes; 0 when the file does not say.
    pub bytes: u64,
}

/// Reads every package whose name `wanted` accepts.
///
/// # Errors
/// Reading failed. Unknown fields and paragraphs without a version are passed over.
pub fn read(from: impl BufRead, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<Package>> {
    let mut found = Vec::new();
    let mut current = Package::default();
    for line in from.lines() {
        let line = line?;
        if line.is_empty() {
            keep(&mut found, std::mem::take(&mut current), &wanted);
            continue;
        }
        // A continuation line starts with a space and belongs to a field that nobody here reads.
        let Some((field, value)) = line.split_once(": ") else {
            continue;
        };
        match field {
            "Package" => current.name = value.to_owned(),
            "Version" => current.version = value.to_owned(),
            "Size" => current.bytes = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    keep(&mut found, current, &wanted);
    Ok(found)
}

fn keep(found: &mut Vec<Package>, package: Package, wanted: impl Fn(&str) -> bool) {
    if !package.name.is_empty() && !package.version.is_empty() && wanted(&package.name) {
        found.push(package);
    }
}

/// Returns the numbers of a version in order, to sort versions of one package by: `6.12.117-1`
/// gives `[6, 12, 117, 1]`.
///
/// Debian's own order also knows letters and `~`; between builds of one upstream release that
/// choice does not matter here, and between releases the numbers decide.
#[must_use]
pub fn digits(version: &str) -> Vec<u64> {
    version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|run| run.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: linux-image-6.1.0-56-cloud-amd64\nVersion: 6.1.192-2\n\
                        Description: Linux 6.1\n Package: not a field\nSize: 26713492\n\n\
                        Package: other\nVersion: 1\nSize: 5\n\n\
                        Package: linux-image-6.1.0-9-cloud-amd64\nVersion: 6.1.99-1\nSize: x";

    #[test]
    fn reads_the_wanted_paragraphs_and_the_last_without_a_blank_line() {
        let found = read(TEXT.as_bytes(), |name| name.starts_with("linux-image-")).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|p| (p.name.as_str(), p.version.as_str(), p.bytes))
            .collect();
        assert_eq!(
            seen,
            [
                ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2", 26_713_492),
                ("linux-image-6.1.0-9-cloud-amd64", "6.1.99-1", 0)
            ]
        );
    }

    #[test]
    fn a_paragraph_without_a_version_is_passed_over() {
        assert_eq!(
            read("Package: a\n\nVersion: 2\n".as_bytes(), |_| true).unwrap(),
            []
        );
    }

    #[test]
    fn versions_sort_by_number_not_by_text() {
        assert!(digits("6.1.192-2") > digits("6.1.99-1"));
        assert!(digits("6.12.9-1") < digits("6.12.117-1~deb12u1"));
        assert_eq!(digits("7.3.4-1~bpo13+1"), [7, 3, 4, 1, 13, 1]);
    }
}
