//! Writes the lists of archives and suites that apt reads, from the archives that the machine
//! itself is configured with.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

/// Suites that hold kernels or tools of the lab, whatever suite the machine itself runs.
const SUITES: [&str; 7] = [
    "bookworm",
    "bookworm-backports",
    "trixie",
    "trixie-updates",
    "trixie-backports",
    "forky",
    "sid",
];
const SECURITY_SUITES: [&str; 2] = ["bookworm-security", "trixie-security"];

/// The source list of a command of apt.
#[derive(Clone, Copy)]
pub enum Sources {
    /// The machine's own configuration.
    Machine,
    /// The machine's release with its backports: programs from there run beside the system's.
    Host,
    /// Every suite of the lab.
    All,
}

impl Sources {
    /// Returns the file of the list under the apt root; none for the machine's own.
    pub fn file(self) -> Option<&'static str> {
        match self {
            Self::Machine => None,
            Self::Host => Some("host.sources"),
            Self::All => Some("all.sources"),
        }
    }
}

/// Returns the addresses of Debian's own and its security archive in `URI codename label` lines.
fn repositories(targets: &str) -> (Option<String>, Option<String>) {
    let labelled = |label: &str| {
        targets.lines().find_map(|line| {
            let (uri, rest) = line.split_once(' ')?;
            let (_codename, own) = rest.split_once(' ')?;
            (own == label).then(|| uri.to_owned())
        })
    };
    (labelled("Debian"), labelled("Debian-Security"))
}

/// Returns a paragraph of a deb822 source list.
fn source(uri: &str, suites: &[&str]) -> String {
    let keyring = ["gpg", "pgp"]
        .map(|ending| format!("/usr/share/keyrings/debian-archive-keyring.{ending}"))
        .into_iter()
        .find(|path| Path::new(path).exists());
    let signed = keyring.map_or_else(String::new, |path| format!("Signed-By: {path}\n"));
    let suites = suites.join(" ");
    format!(
        "Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nArchitectures: amd64\n\
         {signed}\n"
    )
}

fn deduplicated(mut suites: Vec<&str>) -> Vec<&str> {
    suites.sort_unstable();
    suites.dedup();
    suites
}

/// Returns the machine's Debian release, `bookworm` for example.
///
/// # Errors
/// The machine runs no Debian.
pub fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    line.map(|name| name.trim_matches('"').to_owned()).context(
        "/etc/os-release names no VERSION_CODENAME: the lab takes QEMU from a Debian release",
    )
}

/// Returns the source lists for programs of the machine's own release, and for everything that the
/// lab may want, from `URI codename label` lines.
///
/// # Errors
/// The lines name no Debian archive.
pub fn lists(targets: &str) -> Result<(String, String)> {
    let (main, security) = repositories(targets);
    let Some(main) = main else {
        bail!(
            "apt's configuration names no Debian mirror; \
             add one to /etc/apt/sources.list.d and run apt-get update"
        );
    };
    let own = codename()?;
    let own_backports = format!("{own}-backports");
    let own_security = format!("{own}-security");
    let with_security = |main_suites: &[&str], security_suites: &[&str]| {
        let security = security.iter().map(|uri| source(uri, security_suites));
        std::iter::once(source(&main, main_suites))
            .chain(security)
            .collect::<String>()
    };
    let host = with_security(&[&own, &own_backports], &[&own_security]);
    let mut suites = SUITES.to_vec();
    suites.extend([own.as_str(), own_backports.as_str()]);
    let mut security_suites = SECURITY_SUITES.to_vec();
    security_suites.push(&own_security);
    Ok((
        host,
        with_security(&deduplicated(suites), &deduplicated(security_suites)),
    ))
}

/// Returns whether `URI codename label` lines name a Debian archive.
#[must_use]
pub fn name_debian(targets: &str) -> bool {
    repositories(targets).0.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_by_label_whatever_their_address() {
        let targets = "http://a/mirror/ bookworm-backports Debian Backports\n\
                       http://a/mirror/ bookworm Debian\n\
                       http://b/sec/ bookworm-security Debian-Security\n";
        let found = repositories(targets);
        assert_eq!(
            found,
            (
                Some("http://a/mirror/".into()),
                Some("http://b/sec/".into())
            )
        );
    }

    #[test]
    fn other_vendors_repositories_are_not_taken_for_debians() {
        assert_eq!(
            repositories("https://x/apt stable Docker CE\n"),
            (None, None)
        );
    }
}
