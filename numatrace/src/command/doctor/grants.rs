//! Capabilities that tracing uses, and lines that grant them.

use std::path::Path;

use crate::attach::preflight::{Capabilities, NEEDS};
use crate::model::doctor::{Capability, Grants};

/// Returns the capabilities that tracing uses, and whether each is in effect.
pub fn capabilities(held: Option<Capabilities>) -> Vec<Capability> {
    let described = NEEDS.iter().map(|need| Capability {
        name: need.name.to_owned(),
        held: held.map(|held| held.has(need)),
        purpose: need.purpose.to_owned(),
        for_hooks: need.for_hooks,
    });
    described.collect()
}

/// Returns lines to copy for the binary at `exe`. CAP_SYS_ADMIN is left out: only the measurement
/// of cost needs it, and it is nearly root.
pub fn grants(exe: &Path) -> Grants {
    let names: Vec<&str> = NEEDS
        .iter()
        .map(|need| need.name)
        .filter(|name| *name != "CAP_SYS_ADMIN")
        .collect();
    Grants {
        file: format!(
            "setcap {}=ep {}",
            names.join(",").to_lowercase(),
            shell_word(&exe.to_string_lossy())
        ),
        service: ["AmbientCapabilities", "CapabilityBoundingSet"]
            .map(|setting| format!("{setting}={}", names.join(" ")))
            .into(),
    }
}

/// Returns a word quoted for a shell, if it needs quotes.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_can_be_copied_as_they_are() {
        let lines = grants(Path::new("/opt/it's here/numatrace"));
        assert_eq!(
            lines.file,
            r"setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_syslog=ep '/opt/it'\''s here/numatrace'"
        );
        assert_eq!(
            lines.service[0],
            "AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_SYS_PTRACE CAP_SYSLOG"
        );
        assert!(
            grants(Path::new("/usr/bin/numatrace"))
                .file
                .ends_with("=ep /usr/bin/numatrace")
        );
    }
}
