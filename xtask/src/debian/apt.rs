//! apt with a root of its own: package lists of the machine's mirror and its sibling suites,
//! downloads, closures.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use super::{
    packages::{self, Package},
    sources::{self, Sources},
};
use crate::{run, workspace};

/// Lists younger than this are used as they are; point releases vanish from mirrors after days, not
/// hours.
const FRESH: Duration = Duration::from_secs(12 * 3600);
const CAT_FILE: &str = "/usr/lib/apt/apt-helper";

/// The machine's Debian mirror, seen through an apt root under `target/lab/apt`.
///
/// One process has it open at a time. A process that waited for it checks whether the other one
/// fetched the same.
pub struct Mirror {
    root: PathBuf,
    /// Unlocks when the mirror is dropped.
    _lock: File,
}

impl Mirror {
    /// Opens the mirror, and brings its lists up to date when they are missing or old.
    ///
    /// # Errors
    /// There is no apt, its configuration names no Debian mirror, or the first update failed.
    pub fn open() -> Result<Self> {
        if !run::on_path("apt-get") || !Path::new(CAT_FILE).exists() {
            bail!(
                "no apt here: the lab takes kernels and QEMU from a Debian mirror; \
                 run it on Debian or in its container"
            );
        }
        let root = workspace::lab().join("apt");
        for dir in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(dir))?;
        }
        let lock = File::create(root.join("lock"))?;
        lock.lock().context("cannot lock target/lab")?;
        let mirror = Self { root, _lock: lock };
        if !mirror.is_fresh() {
            mirror.update()?;
        }
        Ok(mirror)
    }

    fn is_fresh(&self) -> bool {
        let stamp = fs::metadata(self.root.join("updated")).and_then(|m| m.modified());
        stamp.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < FRESH))
    }

    /// Writes the source lists and fetches the package lists that they name.
    fn update(&self) -> Result<()> {
        eprintln!("xtask: reading the package lists of the machine's Debian mirror");
        let (host, all) = sources::lists(&self.own_targets()?)?;
        fs::write(self.root.join("host.sources"), host)?;
        fs::write(self.root.join("all.sources"), all)?;

        let update = run::output(self.apt_get(Sources::All).args(["-qq", "update"]))?;
        if self.lists()?.is_empty() {
            bail!(
                "cannot read the mirror's package lists: {}",
                String::from_utf8_lossy(&update.stderr).trim()
            );
        }
        // A suite that this mirror lacks fails the update and leaves the others usable.
        fs::write(self.root.join("updated"), "")?;
        Ok(())
    }

    /// Returns `URI codename label` of each repository that the machine itself is configured with.
    ///
    /// apt knows a label only after an update: without lists (in a fresh container) a private one
    /// is made.
    fn own_targets(&self) -> Result<String> {
        let ask = |command: &mut Command| {
            let format = "$(REPO_URI) $(CODENAME) $(LABEL)";
            run::capture(command.args(["indextargets", "--format", format, "Created-By: Packages"]))
        };
        let known = ask(&mut Command::new("apt-get"))?;
        if sources::name_debian(&known) {
            return Ok(known);
        }
        let update = run::output(self.apt_get(Sources::Machine).args(["-qq", "update"]))?;
        let known = ask(&mut self.apt_get(Sources::Machine))?;
        if known.trim().is_empty() {
            bail!(
                "cannot read the mirror's package lists: {}",
                String::from_utf8_lossy(&update.stderr).trim()
            );
        }
        Ok(known)
    }

    /// Returns every package of every suite whose name `wanted` accepts.
    ///
    /// # Errors
    /// A list could not be read.
    pub fn find(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Package>> {
        let mut found = Vec::new();
        for list in self.lists()? {
            // Lists are kept compressed as apt's configuration says; its helper reads them all.
            let mut child = Command::new(CAT_FILE)
                .arg("cat-file")
                .arg(&list)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()?;
            let text = child.stdout.take().context("no pipe from apt-helper")?;
            found.extend(packages::read(BufReader::new(text), &wanted)?);
            if !child.wait()?.success() {
                bail!("cannot read {}", list.display());
            }
        }
        Ok(found)
    }

    fn lists(&self) -> Result<Vec<PathBuf>> {
        let mut command = self.apt_get(Sources::All);
        let text = run::capture(command.args([
            "indextargets",
            "--format",
            "$(FILENAME)",
            "Created-By: Packages",
        ]))?;
        Ok(text
            .lines()
            .map(PathBuf::from)
            .filter(|p| p.exists())
            .collect())
    }

    /// Downloads one package, verified by apt against the suite's signed lists, and unpacks it into
    /// `to`.
    ///
    /// # Errors
    /// The mirror no longer has it, its checksum is wrong, or it could not be unpacked.
    pub fn unpack(&self, package: &Package, to: &Path) -> Result<()> {
        let into = tempfile::tempdir_in(&self.root)?;
        eprintln!(
            "xtask: downloading {} {} ({} MB)",
            package.name,
            package.version,
            package.bytes / 1_000_000
        );
        let wanted = format!("{}={}", package.name, package.version);
        run::capture(
            self.apt_get(Sources::All)
                .args(["-qq", "download", &wanted])
                .current_dir(into.path()),
        )?;
        unpack_all(into.path(), to)
    }

    /// Downloads a package of the machine's own release with all dependencies that the machine
    /// lacks, and unpacks it into `to`.
    ///
    /// # Errors
    /// The release does not have it, or its dependencies cannot be met.
    pub fn unpack_with_libraries(&self, package: &str, to: &Path) -> Result<()> {
        eprintln!("xtask: downloading {package} and its libraries");
        let archives = tempfile::tempdir_in(&self.root)?;
        fs::create_dir(archives.path().join("partial"))?;
        let mut directory = OsString::from("Dir::Cache::archives=");
        directory.push(archives.path());
        let fetch = |release: &[&str]| {
            let mut command = self.apt_get(Sources::Host);
            command.arg("-o").arg(&directory).args([
                "-qq",
                "--yes",
                "--download-only",
                "--no-install-recommends",
            ]);
            run::capture(command.arg("install").args(release).arg(package))
        };
        // Backports first, for what they have; testing and unstable have none, and there the
        // release itself is new.
        let backports = format!("{}-backports", sources::codename()?);
        fetch(&["-t", &backports]).or_else(|_| fetch(&[]))?;
        unpack_all(archives.path(), to)
    }

    /// Downloads a package of a suite with all its dependencies, the C library included, and
    /// unpacks it into `to`: for programs that want a newer system than this machine's. They run by
    /// the tree's own loader.
    ///
    /// # Errors
    /// The suite does not have it, or its dependencies cannot be met.
    pub fn unpack_whole(&self, package: &str, suite: &str, to: &Path) -> Result<()> {
        eprintln!("xtask: downloading {package} of {suite} with the system it needs");
        let archives = tempfile::tempdir_in(&self.root)?;
        fs::create_dir(archives.path().join("partial"))?;
        // The status file of a machine on which nothing is installed.
        let nothing = archives.path().join("status");
        fs::write(&nothing, "")?;
        let set = |name: &str, value: &Path| {
            let mut option = OsString::from(name);
            option.push("=");
            option.push(value);
            option
        };
        let mut command = self.apt_get(Sources::All);
        command
            .arg("-o")
            .arg(set("Dir::Cache::archives", archives.path()));
        command.arg("-o").arg(set("Dir::State::status", &nothing));
        command.args(["-qq", "--yes", "--download-only", "--no-install-recommends"]);
        run::capture(command.args(["install", "-t", suite, package]))?;
        unpack_all(archives.path(), to)
    }

    fn apt_get(&self, sources: Sources) -> Command {
        let mut command = Command::new("apt-get");
        let mut set = |name: &str, value: PathBuf| {
            let mut option = OsString::from(name);
            option.push("=");
            option.push(value);
            command.arg("-o").arg(option);
        };
        set("Dir::State::Lists", self.root.join("lists"));
        set("Dir::Cache", self.root.join("cache"));
        // Caches of one source list must not be taken for another list's.
        set("Dir::Cache::pkgcache", PathBuf::new());
        set("Dir::Cache::srcpkgcache", PathBuf::new());
        if let Some(file) = sources.file() {
            set("Dir::Etc::SourceList", self.root.join(file));
            set("Dir::Etc::SourceParts", PathBuf::from("/dev/null"));
        }
        // The sandbox user cannot write under target; the system's locks are for the system's
        // state.
        for option in [
            "APT::Sandbox::User=root",
            "Debug::NoLocking=1",
            "Acquire::Languages=none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false",
            "Acquire::Retries=3",
        ] {
            command.args(["-o", option]);
        }
        command
    }
}

/// Unpacks every `.deb` in a folder into `to`.
fn unpack_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "deb") {
            run::check(Command::new("dpkg-deb").arg("--extract").arg(&path).arg(to))?;
        }
    }
    Ok(())
}
