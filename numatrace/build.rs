//! Builds the eBPF object (`numatrace-ebpf`) with a child cargo and leaves it at
//! `$OUT_DIR/numatrace.bpf.o`.
//!
//! Stable Rust suffices: only the child gets `RUSTC_BOOTSTRAP=1`, for `-Z build-std=core`. The
//! build needs rust-src and bpf-linker; when one is missing it stops with one line that names it
//! and the command that gets it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const BPF_TARGET: &str = "bpfel-unknown-none";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Err(why) = build() {
        println!("cargo::error={why}");
        std::process::exit(1);
    }
}

/// Builds the object and copies it to `OUT_DIR`.
///
/// # Errors
/// One line for the person who builds: the missing part or the failure, and the way out.
fn build() -> Result<(), String> {
    let root = workspace()?;
    for part in ["numatrace-ebpf", "numatrace-common"] {
        for path in ["src", "Cargo.toml"] {
            println!(
                "cargo::rerun-if-changed={}",
                root.join(part).join(path).display()
            );
        }
    }
    for file in ["Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }

    let sysroot = sysroot()?;
    let path = search_path(&root)?;
    require_rust_src(&sysroot)?;
    require_linker(&path)?;

    let out = PathBuf::from(variable("OUT_DIR")?);
    let target_dir = shared_target_dir(&out);
    let status = Command::new(variable("CARGO")?)
        .current_dir(&root)
        .args(["build", "--release", "--package=numatrace-ebpf", "--bins"])
        .args(["--target", BPF_TARGET, "-Zbuild-std=core", "--target-dir"])
        .arg(&target_dir)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&root, &sysroot)?)
        .env("PATH", path)
        // The outer cargo's compiler and wrappers (clippy-driver, sccache) do not fit this target.
        .env_remove("RUSTC")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .map_err(|e| format!("cannot run cargo for the eBPF object: {e}"))?;
    if !status.success() {
        return Err("the eBPF object did not build; its compiler messages are above".into());
    }

    let built = target_dir
        .join(BPF_TARGET)
        .join("release")
        .join("numatrace");
    let object = out.join("numatrace.bpf.o");
    fs::copy(&built, &object).map_err(|e| {
        format!(
            "cannot copy {} to {}: {e}",
            built.display(),
            object.display()
        )
    })?;
    Ok(())
}

/// Returns the compiler flags of the kernel side, in cargo's encoding (separated by 0x1f).
///
/// Debug information becomes the object's BTF and line information. Path prefixes are removed, so
/// that the object has the same bytes wherever it is built.
fn rustflags(root: &Path, sysroot: &Path) -> Result<OsString, String> {
    let arch = variable("CARGO_CFG_TARGET_ARCH")?;
    let mut flags = OsString::from("--cfg\x1fbpf_target_arch=\"");
    flags.push(&arch);
    flags.push("\"\x1f-Cdebuginfo=2\x1f-Clink-arg=--btf");
    let cargo_home = env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    );
    for (from, to) in [
        (root, "numatrace"),
        (&cargo_home, "cargo"),
        (sysroot, "rust"),
    ] {
        flags.push("\x1f--remap-path-prefix=");
        flags.push(from);
        flags.push("=/");
        flags.push(to);
    }
    Ok(flags)
}

/// Returns the folder for the child's build: one for all profiles and targets of the outer build,
/// since the object is the same for all of them and a build of `core` takes longer than everything
/// else.
///
/// `out` is `<target>/[triple/]<profile>/build/<package>-<hash>/out`; in any other form a folder in
/// `out` itself is used.
fn shared_target_dir(out: &Path) -> PathBuf {
    let own = out.join("ebpf");
    let mut above = out.ancestors().skip(2);
    if above.next().and_then(Path::file_name) != Some(OsStr::new("build")) {
        return own;
    }
    let Some(parent) = above.nth(1) else {
        return own;
    };
    let triple = env::var_os("TARGET");
    let target = if parent.file_name() == triple.as_deref() {
        parent.parent()
    } else {
        Some(parent)
    };
    target.map_or(own, |dir| dir.join("ebpf"))
}

/// Returns `PATH` with the project's own tools first: `cargo xtask setup` puts bpf-linker there.
fn search_path(root: &Path) -> Result<OsString, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let tools = root.join("target").join("tools").join("bin");
    let linker = tools.join("bpf-linker");
    if linker.exists() {
        println!("cargo::rerun-if-changed={}", linker.display());
    }
    env::join_paths(std::iter::once(tools).chain(env::split_paths(&path)))
        .map_err(|e| format!("cannot extend PATH: {e}"))
}

fn require_linker(path: &OsStr) -> Result<(), String> {
    if env::split_paths(path).any(|dir| dir.join("bpf-linker").is_file()) {
        return Ok(());
    }
    Err("bpf-linker is missing, the eBPF object cannot be linked; get it: cargo xtask setup".into())
}

fn require_rust_src(sysroot: &Path) -> Result<(), String> {
    if sysroot
        .join("lib/rustlib/src/rust/library/core/Cargo.toml")
        .is_file()
    {
        return Ok(());
    }
    Err(
        "rust-src is missing, `core` cannot be built for the kernel; get it: cargo xtask setup"
            .into(),
    )
}

fn sysroot() -> Result<PathBuf, String> {
    let output = Command::new(variable("RUSTC")?)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|e| format!("cannot ask rustc for its sysroot: {e}"))?;
    let text = String::from_utf8(output.stdout)
        .map_err(|e| format!("rustc's sysroot is not UTF-8: {e}"))?;
    Ok(PathBuf::from(text.trim()))
}

fn workspace() -> Result<PathBuf, String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    manifest
        .parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("{} has no parent: not in the workspace", manifest.display()))
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("{name} is not set: build with cargo"))
}
