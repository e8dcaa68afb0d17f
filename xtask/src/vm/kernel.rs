//! Kernels by series or version: from the lab's cache, or the newest that the Debian mirror has.
//!
//! Debian's cloud kernels have NVMe, ext4 and serial ports built in, so a guest boots without
//! modules. Real-time kernels (`6.12-rt`) do not, and some tests ask for a module: `modules` has
//! them.

use std::{
    cmp::Reverse,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::modules;
use crate::{
    debian::{Mirror, Package, digits},
    workspace,
};

/// The ending of a real-time kernel's version here.
const RT: &str = "-rt";
/// The beginnings of package names that hold a release's kernel, in order of preference: from 6.19
/// on the kernel has a package of its own, unsigned or signed, and the old name is a stub. A longer
/// prefix comes before the one that it starts with.
const PREFIXES: [&str; 3] = ["linux-binary-unsigned-", "linux-binary-", "linux-image-"];
/// The oldest series the tracer supports.
const OLDEST: [u64; 2] = [6, 1];

/// A kernel in the lab's cache.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Upstream version, `6.12.117`, with `-rt` behind that of a real-time kernel.
    pub version: String,
    /// The kernel image.
    pub image: PathBuf,
}

impl Kernel {
    /// Returns the folder of its modules, a folder for each of [`modules::SETS`], fetched if need
    /// be.
    ///
    /// # Errors
    /// The mirror has no modules of exactly this kernel.
    pub fn modules(&self) -> Result<PathBuf> {
        let place = folder().join(&self.version).join("modules");
        if modules::are_kept(&place) {
            return Ok(place);
        }
        let mirror = Mirror::open()?;
        if modules::are_kept(&place) {
            return Ok(place);
        }
        let mut releases = releases(&mirror, is_rt(&self.version))?;
        releases.retain(|package| version_of(package) == self.version);
        releases.sort_by_key(|package| place_of(&package.name));
        for release in &releases {
            let name = modules_of(&release.name);
            let mut packages = mirror.find(|found| found == name)?;
            packages.retain(|package| package.version == release.version);
            let Some(package) = packages.first() else {
                continue;
            };
            let unpacked = tempfile::tempdir_in(workspace::lab())?;
            mirror.unpack(package, unpacked.path())?;
            modules::keep(unpacked.path(), &place)?;
            return Ok(place);
        }
        bail!("the mirror has no modules of kernel {self}")
    }

    /// Returns whether it boots only with modules.
    #[must_use]
    pub fn needs_modules(&self) -> bool {
        is_rt(&self.version)
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.version)
    }
}

/// Returns a kernel for `wanted`: a series (`6.12`) or an exact version (`6.12.117`), with `-rt`
/// behind it for a real-time kernel.
///
/// A cached kernel of the series is taken as it is, so that a machine set up once works offline and
/// reproducibly.
///
/// # Errors
/// Neither the cache nor the mirror has one.
pub fn get(wanted: &str) -> Result<Kernel> {
    if let Some(kernel) = cached(wanted)? {
        return Ok(kernel);
    }
    let mirror = Mirror::open()?;
    if let Some(kernel) = cached(wanted)? {
        return Ok(kernel);
    }
    let mut releases = releases(&mirror, is_rt(wanted))?;
    releases.retain(|package| matches(&version_of(package), wanted));
    // Several suites have builds of one release: the newest first, and of those the one in the
    // preferred package.
    releases.sort_by_key(|p| (Reverse(digits(&p.version)), place_of(&p.name)));
    if releases.is_empty() {
        bail!(
            "no suite of the mirror has kernel {wanted}; it has {}",
            series_of(&self::releases(&mirror, is_rt(wanted))?).join(", ")
        );
    }
    for package in &releases {
        if let Some(kernel) = fetch(&mirror, package)? {
            return Ok(kernel);
        }
    }
    bail!("the packages of kernel {wanted} hold no kernel image")
}

/// Returns every series that the mirror has, oldest first; not those of real-time kernels.
///
/// # Errors
/// The mirror cannot be read.
pub fn all_series() -> Result<Vec<String>> {
    Ok(series_of(&releases(&Mirror::open()?, false)?))
}

/// Returns the newest kernel in the cache, for commands that take any.
///
/// # Errors
/// The cache cannot be read.
pub fn newest_cached() -> Result<Option<Kernel>> {
    cached("")
}

fn releases(mirror: &Mirror, rt: bool) -> Result<Vec<Package>> {
    mirror.find(|name| {
        let release = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix));
        let release = release.and_then(|rest| rest.strip_suffix(flavour(rt)));
        release.is_some_and(|r| {
            r.starts_with(|c: char| c.is_ascii_digit()) && r.matches('.').count() >= 2
        })
    })
}

fn series_of(releases: &[Package]) -> Vec<String> {
    let mut series: Vec<_> = releases
        .iter()
        .map(|p| digits(&p.version))
        .filter(|v| v.len() > 2)
        .collect();
    series.iter_mut().for_each(|v| v.truncate(2));
    series.retain(|v| v.as_slice() >= OLDEST.as_slice());
    series.sort();
    series.dedup();
    series
        .iter()
        .map(|v| format!("{}.{}", v[0], v[1]))
        .collect()
}

/// Returns `6.12.117` of `6.12.117-1~deb12u1`.
fn upstream(version: &str) -> String {
    version
        .split(['-', '~', '+'])
        .next()
        .unwrap_or(version)
        .to_owned()
}

/// Returns the ending of the names of kernel packages.
fn flavour(rt: bool) -> &'static str {
    if rt { "-rt-amd64" } else { "-cloud-amd64" }
}

fn is_rt(version: &str) -> bool {
    version.ends_with(RT)
}

/// Returns a kernel's version here: `6.12.117` or `6.12.117-rt`.
fn version_of(package: &Package) -> String {
    let rt = package.name.ends_with(flavour(true));
    format!("{}{}", upstream(&package.version), if rt { RT } else { "" })
}

/// Returns the name of the package with the modules of a kernel's package: up to 6.18 itself.
fn modules_of(name: &str) -> String {
    let releases = PREFIXES.iter().take(PREFIXES.len() - 1);
    let release = releases
        .filter_map(|prefix| name.strip_prefix(prefix))
        .next();
    release.map_or_else(
        || name.to_owned(),
        |release| format!("linux-modules-{release}"),
    )
}

/// Returns whether a version is the wanted one or of the wanted series; an empty `wanted` matches
/// any that is not a real-time kernel.
fn matches(version: &str, wanted: &str) -> bool {
    if is_rt(version) != is_rt(wanted) {
        return false;
    }
    let wanted = wanted.strip_suffix(RT).unwrap_or(wanted);
    let version = version.strip_suffix(RT).unwrap_or(version);
    wanted.is_empty()
        || version == wanted
        || version
            .strip_prefix(wanted)
            .is_some_and(|rest| rest.starts_with('.'))
}

fn place_of(name: &str) -> usize {
    PREFIXES
        .iter()
        .position(|prefix| name.starts_with(prefix))
        .unwrap_or(PREFIXES.len())
}

fn folder() -> PathBuf {
    workspace::lab().join("kernels")
}

fn cached(wanted: &str) -> Result<Option<Kernel>> {
    let Ok(entries) = fs::read_dir(folder()) else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let version = entry.file_name().to_string_lossy().into_owned();
        let image = entry.path().join("vmlinuz");
        if matches(&version, wanted) && image.exists() {
            found.push(Kernel { version, image });
        }
    }
    Ok(found.into_iter().max_by_key(|k| digits(&k.version)))
}

/// Downloads a package and keeps its kernel image; a stub has none.
fn fetch(mirror: &Mirror, package: &Package) -> Result<Option<Kernel>> {
    fs::create_dir_all(folder())?;
    let unpacked = tempfile::tempdir_in(workspace::lab())?;
    mirror.unpack(package, unpacked.path())?;
    let Some(found) = image_in(unpacked.path())? else {
        return Ok(None);
    };
    let version = version_of(package);
    let place = folder().join(&version);
    fs::create_dir_all(&place)?;
    let image = place.join("vmlinuz");
    if modules_of(&package.name) == package.name && !modules::are_kept(&place.join("modules")) {
        modules::keep(unpacked.path(), &place.join("modules"))?;
    }
    // The rename comes last: a cached kernel is whole.
    fs::rename(&found, &image).with_context(|| format!("cannot keep {}", image.display()))?;
    Ok(Some(Kernel { version, image }))
}

/// Returns the image: `boot/vmlinuz-*` up to 6.18, `usr/lib/modules/*/vmlinuz[.unsigned]` later.
fn image_in(root: &Path) -> Result<Option<PathBuf>> {
    let mut folders = vec![root.join("boot")];
    if let Ok(entries) = fs::read_dir(root.join("usr/lib/modules")) {
        for entry in entries {
            folders.push(entry?.path());
        }
    }
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("vmlinuz") {
                return Ok(Some(entry.path()));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_matches_whole_numbers() {
        assert!(matches("6.1.192", "6.1"));
        assert!(!matches("6.12.117", "6.1"));
        assert!(matches("6.12.117", "6.12.117"));
        assert!(!matches("6.12.117", "6.12.11"));
    }

    #[test]
    fn real_time_kernels_are_found_by_their_ending_only() {
        assert!(matches("6.12.117-rt", "6.12-rt"));
        assert!(matches("6.12.117-rt", "6.12.117-rt"));
        assert!(!matches("6.12.117-rt", "6.12"));
        assert!(!matches("6.12.117-rt", ""));
        assert!(!matches("6.12.117", "6.12-rt"));
    }

    #[test]
    fn modules_have_a_package_of_their_own_from_6_19_on() {
        let old = "linux-image-6.12.117+deb13-cloud-amd64";
        assert_eq!(modules_of(old), old);
        for new in ["linux-binary", "linux-binary-unsigned"] {
            assert_eq!(
                modules_of(&format!("{new}-7.3.4+deb13-rt-amd64")),
                "linux-modules-7.3.4+deb13-rt-amd64"
            );
        }
    }

    #[test]
    fn the_upstream_version_leaves_debians_part_out() {
        assert_eq!(upstream("6.1.192-2"), "6.1.192");
        assert_eq!(upstream("7.3.4-1~bpo13+1"), "7.3.4");
        assert_eq!(upstream("6.12.117-1~deb12u1"), "6.12.117");
    }

    #[test]
    fn series_are_in_order_and_start_at_the_oldest_supported() {
        let package = |version: &str| Package {
            version: version.into(),
            ..Package::default()
        };
        let found = series_of(&[
            package("7.2.13-1"),
            package("6.12.1-1"),
            package("6.1.1-1"),
            package("5.10.1-1"),
        ]);
        assert_eq!(found, ["6.1", "6.12", "7.2"]);
    }

    #[test]
    fn a_kernel_is_found_in_the_old_and_the_new_place() {
        for path in [
            "boot/vmlinuz-6.1.0-56-cloud-amd64",
            "usr/lib/modules/7.3.4+deb13-cloud-amd64/vmlinuz.unsigned",
        ] {
            let root = tempfile::tempdir().unwrap();
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            assert_eq!(image_in(root.path()).unwrap(), Some(file));
        }
        assert_eq!(image_in(tempfile::tempdir().unwrap().path()).unwrap(), None);
    }
}
