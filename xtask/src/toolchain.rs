//! Finds or gets everything that builds and checks need beyond stable Rust: rust-src, the musl
//! target, bpf-linker, cargo-deny.
//!
//! Every command calls [`ensure`], which costs one `rustc -vV` and no network once everything is
//! there. Only `setup` and `lint` need cargo-deny.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{debian::Mirror, run, workspace};

/// The last bpf-linker that links with rustc's own LLVM, and the LLVM releases it knows.
const BPF_LINKER: &str = "0.10.4";
const BPF_LINKER_LLVM: std::ops::RangeInclusive<u32> = 20..=22;
/// The release of cargo-deny that `deny.toml` was written for.
const CARGO_DENY: &str = "0.20.2";

/// The parts of the toolchain that differ between machines.
#[derive(Debug)]
pub struct Toolchain {
    /// The target of static binaries.
    pub static_target: StaticTarget,
}

/// How a binary becomes static.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StaticTarget {
    /// The musl target: static by default.
    Musl,
    /// The gnu target with the C library linked in, where rustup cannot add musl.
    GnuStatic,
}

impl StaticTarget {
    /// Returns the target triple to build for.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Self::Musl => "x86_64-unknown-linux-musl",
            Self::GnuStatic => "x86_64-unknown-linux-gnu",
        }
    }

    /// Sets the arguments and the environment of a cargo command that builds for this target, with
    /// further compiler flags.
    pub fn apply(self, cargo: &mut Command, flags: &[&str]) {
        cargo.args(["--target", self.triple()]);
        let own: &[&str] = match self {
            Self::Musl => &[],
            Self::GnuStatic => &["-C", "target-feature=+crt-static"],
        };
        let flags = [own, flags].concat();
        if !flags.is_empty() {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
        }
    }
}

/// Finds or installs everything that builds need, with a line on stderr for each installation.
///
/// # Errors
/// One line: the missing part, the reason, and how to get it by hand.
pub fn ensure() -> Result<Toolchain> {
    let rustc = Rustc::ask()?;
    rust_src(&rustc)?;
    bpf_linker(&rustc, &workspace::tools())?;
    Ok(Toolchain {
        static_target: static_target(&rustc),
    })
}

/// rustc's own account of itself.
struct Rustc {
    /// `1.95.0`.
    release: String,
    /// Major version of its LLVM.
    llvm: u32,
    sysroot: PathBuf,
}

impl Rustc {
    fn ask() -> Result<Self> {
        let rustc = || Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let mut version = rustc();
        let text = run::capture(version.arg("-vV").current_dir(workspace::root()))?;
        let (release, llvm) =
            parse_version(&text).context("rustc -vV names no release or no LLVM version")?;
        let mut print = rustc();
        let sysroot = run::capture(
            print
                .args(["--print", "sysroot"])
                .current_dir(workspace::root()),
        )?;
        Ok(Self {
            release,
            llvm,
            sysroot: PathBuf::from(sysroot.trim()),
        })
    }
}

/// Returns release and LLVM major version from the output of `rustc -vV`.
fn parse_version(text: &str) -> Option<(String, u32)> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let llvm = field("LLVM version: ")?.split('.').next()?.parse().ok()?;
    Some((field("release: ")?.to_owned(), llvm))
}

/// Gets the library sources, from rustup or else from Debian's package of the very same version.
fn rust_src(rustc: &Rustc) -> Result<()> {
    let source = rustc.sysroot.join("lib/rustlib/src/rust");
    if source.join("library/core/Cargo.toml").is_file() {
        return Ok(());
    }
    eprintln!("xtask: adding rust-src, the sources of `core`, to the toolchain");
    let by_rustup = rustup(&["component", "add", "rust-src"]);
    let Err(no_rustup) = by_rustup else {
        return Ok(());
    };
    rust_src_from_debian(rustc, &source).map_err(|no_debian| {
        anyhow::anyhow!(
            "rust-src is missing: rustup could not add it ({no_rustup:#}), \
             nor Debian's package ({no_debian:#}); \
             by hand: unpack the sources of Rust {} so that {}/library exists",
            rustc.release,
            source.display()
        )
    })
}

fn rust_src_from_debian(rustc: &Rustc, source: &Path) -> Result<()> {
    let mirror = Mirror::open()?;
    let version = format!("{}+", rustc.release);
    let package = mirror
        .find(|name| name == "rust-src")?
        .into_iter()
        .find(|p| p.version.starts_with(&version));
    let package = package.with_context(|| format!("no suite has rust-src {}", rustc.release))?;
    let unpacked = tempfile::tempdir_in(workspace::lab())?;
    mirror.unpack(&package, unpacked.path())?;
    let library = unpacked
        .path()
        .join(format!("usr/src/rustc-{}/library", rustc.release));
    fs::create_dir_all(source).with_context(|| format!("cannot write to {}", source.display()))?;
    // Across file systems a rename fails, and the toolchain is rarely on that of the workspace.
    run::check(
        Command::new("cp")
            .arg("-r")
            .arg(library)
            .arg(source.join("library")),
    )
}

/// Builds bpf-linker into `tools/bin`, for the LLVM that rustc itself brings, unless it is there.
fn bpf_linker(rustc: &Rustc, tools: &Path) -> Result<()> {
    if is_there(tools, "bpf-linker", BPF_LINKER) {
        return Ok(());
    }
    if !BPF_LINKER_LLVM.contains(&rustc.llvm) {
        let (first, last) = (BPF_LINKER_LLVM.start(), BPF_LINKER_LLVM.end());
        bail!(
            "bpf-linker {BPF_LINKER} knows LLVM {first} to {last}, rustc {} has LLVM {}: \
             build with Rust 1.95",
            rustc.release,
            rustc.llvm
        );
    }
    install(&mut run::cargo(), tools, "bpf-linker", BPF_LINKER)
}

/// Builds cargo-deny into `target/tools/bin` unless it is there, and returns its path.
///
/// # Errors
/// The tool does not build, or its sources cannot be fetched.
pub fn cargo_deny() -> Result<PathBuf> {
    let tools = workspace::tools();
    if !is_there(&tools, "cargo-deny", CARGO_DENY) {
        let mut cargo = run::cargo();
        // A check takes a second. The tool's own release profile (LTO, one codegen unit) would take
        // minutes more to build than all its runs save.
        cargo
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
        install(&mut cargo, &tools, "cargo-deny", CARGO_DENY)?;
    }
    Ok(tools.join("bin/cargo-deny"))
}

/// Builds a tool into `tools/bin` from the crate registry.
fn install(cargo: &mut Command, tools: &Path, name: &str, version: &str) -> Result<()> {
    eprintln!("xtask: building {name} {version} into target/tools");
    cargo.args([
        "install",
        "--quiet",
        "--locked",
        "--force",
        "--version",
        version,
    ]);
    run::check(cargo.arg(name).arg("--root").arg(tools)).with_context(|| {
        format!(
            "{name} is missing; by hand: \
             cargo install --locked {name} --version {version} --root target/tools"
        )
    })
}

/// Returns whether a tool is in `tools/bin` in that version and starts: one that was built for
/// another toolchain or machine does not.
fn is_there(tools: &Path, name: &str, version: &str) -> bool {
    let binary = tools.join("bin").join(name);
    let output = run::capture(Command::new(binary).arg("--version"));
    output.is_ok_and(|text| text.split_whitespace().any(|word| word == version))
}

fn static_target(rustc: &Rustc) -> StaticTarget {
    let musl = StaticTarget::Musl.triple();
    if rustc.sysroot.join("lib/rustlib").join(musl).is_dir() {
        return StaticTarget::Musl;
    }
    match rustup(&["target", "add", musl]) {
        Ok(()) => StaticTarget::Musl,
        Err(why) => {
            eprintln!(
                "xtask: static binaries use the gnu target, since {musl} is not there ({why:#})"
            );
            StaticTarget::GnuStatic
        }
    }
}

fn rustup(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("rustup");
    run::capture(command.args(arguments).current_dir(workspace::root())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rustc_is_read_by_field() {
        let text = "rustc 1.95.0 (5980 2026-04-14)\nbinary: rustc\nrelease: 1.95.0\n\
                    LLVM version: 22.1.2\n";
        assert_eq!(parse_version(text), Some(("1.95.0".into(), 22)));
        assert_eq!(parse_version("rustc 1.95.0\n"), None);
    }

    #[test]
    fn a_tool_is_rebuilt_when_it_does_not_run_or_is_of_another_version() {
        let tools = tempfile::tempdir().unwrap();
        assert!(!is_there(tools.path(), "tool", "1.2.3"));
        fs::create_dir(tools.path().join("bin")).unwrap();
        let echo = run::capture(Command::new("sh").args(["-c", "command -v echo"])).unwrap();
        let tool = tools.path().join("bin/tool");
        std::os::unix::fs::symlink(echo.trim(), &tool).unwrap();
        assert!(!is_there(tools.path(), "tool", "1.2.3"));
    }
}
