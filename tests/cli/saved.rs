//! `diff`, `export` and limits on files, which need no privileges.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::numatrace;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/contract/example.json");

/// The example in a file of its own, with twice the time and nothing remote.
fn mended(folder: &Path) -> String {
    let mut report: Value = serde_json::from_str(&fs::read_to_string(EXAMPLE).unwrap()).unwrap();
    let seconds = report["session"]["duration_s"].as_f64().unwrap();
    report["session"]["duration_s"] = (2.0 * seconds).into();
    report["findings"] = Value::Array(Vec::new());
    for process in report["processes"].as_array_mut().unwrap() {
        for mapping in process["mappings"].as_array_mut().unwrap() {
            mapping["surprise_pages"] = 0.into();
        }
    }
    let path = folder.join("mended.json");
    fs::write(&path, report.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_comparison_is_data_on_stdout_and_a_normal_end() {
    let folder = tempfile::tempdir().unwrap();
    let after = mended(folder.path());
    let text = numatrace(&["diff", EXAMPLE, &after]);
    assert_eq!(
        (text.status.code(), text.stderr.as_str()),
        (Some(0), ""),
        "{text:?}"
    );
    assert!(text.stdout.contains("gone:"), "{}", text.stdout);
    assert!(!text.stdout.contains('\u{1b}'), "colour without a terminal");
    let json = numatrace(&["diff", EXAMPLE, &after, "-f", "json"]);
    let diff: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(diff["schema"], "numatrace.diff/1");
    assert_eq!(diff["machine"]["surprise_pages"]["after"], 0.0);
}

#[test]
fn a_limit_crossed_is_3_with_its_value_and_one_that_cannot_be_judged_is_1() {
    let folder = tempfile::tempdir().unwrap();
    let better = mended(folder.path());
    let run = |limits: &[&str], files: [&str; 2]| {
        let mut args = vec!["diff"];
        args.extend(files);
        for limit in limits {
            args.extend(["--fail-if", limit]);
        }
        numatrace(&args)
    };
    let limit = "surprise_pages_change > 0";
    assert_eq!(run(&[limit], [EXAMPLE, &better]).status.code(), Some(0));
    let worse = run(&["pages < 0", limit], [&better, EXAMPLE]);
    assert_eq!(worse.status.code(), Some(3), "{worse:?}");
    assert!(
        worse.stderr.contains(limit) && worse.stderr.contains("surprise_pages_change is"),
        "{}",
        worse.stderr
    );
    assert!(
        !worse.stdout.is_empty(),
        "the comparison is printed all the same"
    );
    let unknown = run(&["proc(nobody).pages > 0"], [EXAMPLE, &better]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        unknown.stderr.contains("could not be judged"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_wrong_limit_is_2_with_a_caret_before_anything_is_done() {
    for args in [
        ["trace", "--fail-if", "remote_shar > 5%"].as_slice(),
        &["report", "/nowhere", "--fail-if", "remote_shar > 5%"],
        &[
            "diff",
            "/nowhere",
            "/nowhere",
            "--fail-if",
            "remote_shar > 5%",
        ],
        &["stat", "--fail-if", "remote_shar > 5%"],
    ] {
        let output = numatrace(args);
        assert_eq!(
            (output.status.code(), output.stdout.as_str()),
            (Some(2), ""),
            "{output:?}"
        );
        let lines: Vec<&str> = output.stderr.lines().collect();
        let caret = lines
            .iter()
            .position(|line| line.trim() == "^")
            .expect("a caret");
        assert_eq!(
            lines[caret].find('^'),
            lines[caret - 1].find("remote_shar"),
            "{lines:?}"
        );
        assert!(
            output.stderr.contains("did you mean remote_share?"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn what_is_no_report_is_1_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, "{\"schema\": \"numatrace.report/2\"}").unwrap();
    let other = other.to_str().unwrap();
    for args in [
        ["diff", "/nowhere", EXAMPLE].as_slice(),
        &["diff", EXAMPLE, other],
        &["export", other, "--to", "csv"],
        &["export", "/", "--to", "json"],
    ] {
        let output = numatrace(args);
        assert_eq!(
            (output.status.code(), output.stdout.as_str()),
            (Some(1), ""),
            "{output:?}"
        );
        assert!(output.stderr.contains("hint:"), "{}", output.stderr);
    }
}

#[test]
fn exports_are_written_private_and_whole_and_links_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["perfetto", "folded", "flamegraph", "csv", "json"] {
        let path = folder.path().join(format);
        let output = numatrace(&[
            "export",
            EXAMPLE,
            "--to",
            format,
            "-o",
            path.to_str().unwrap(),
        ]);
        assert_eq!(
            (output.status.code(), output.stdout.as_str()),
            (Some(0), ""),
            "{output:?}"
        );
        let written = fs::metadata(&path).unwrap();
        assert_eq!(written.mode() & 0o777, 0o600);
        assert!(written.len() > 100, "{format}: {} bytes", written.len());
        let to_stdout = numatrace(&["export", EXAMPLE, "--to", format]);
        assert_eq!(to_stdout.status.code(), Some(0), "{format}");
    }
    let link = folder.path().join("link");
    symlink("/etc/hostname", &link).unwrap();
    let output = numatrace(&[
        "export",
        EXAMPLE,
        "--to",
        "csv",
        "-o",
        link.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn the_json_export_is_the_report() {
    let output = numatrace(&["export", EXAMPLE, "--to", "json"]);
    let again: Value = serde_json::from_str(&output.stdout).unwrap();
    let report: Value = serde_json::from_str(&fs::read_to_string(EXAMPLE).unwrap()).unwrap();
    assert_eq!(
        again["processes"][0]["alloc"]["numa_hit"],
        report["processes"][0]["alloc"]["numa_hit"]
    );
    assert_eq!(again["schema"], report["schema"]);
}

#[test]
fn a_json_report_is_shown_as_text_and_json_again() {
    let text = numatrace(&["report", EXAMPLE]);
    assert_eq!(text.status.code(), Some(0), "{text:?}");
    for part in ["Findings", "In short", "Not shown:"] {
        assert!(text.stdout.contains(part), "{part}: {}", text.stdout);
    }
    let audit = numatrace(&["report", EXAMPLE, "--section", "audit"]).stdout;
    assert!(audit.contains("Audit: "), "{audit}");
    assert!(!audit.contains("Findings"), "{audit}");
    let again = numatrace(&["report", EXAMPLE, "-f", "json"]).stdout;
    let again: Value = serde_json::from_str(&again).unwrap();
    let known: Value = serde_json::from_str(&fs::read_to_string(EXAMPLE).unwrap()).unwrap();
    let alloc = "/processes/0/alloc/local_node";
    assert_eq!(again.pointer(alloc), known.pointer(alloc));
}

#[test]
fn options_that_need_single_events_are_refused_for_a_json_report() {
    for (options, name) in [
        (&["--from", "1"][..], "--from"),
        (&["-p", "1"], "--pid"),
        (&["--timeline"], "--timeline"),
    ] {
        let output = numatrace(&[&["report", EXAMPLE], options].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let why = format!("{name} needs a recording");
        assert!(output.stderr.contains(&why), "{output:?}");
    }
    let output = numatrace(&["report", EXAMPLE, "--section", "nothing"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stderr.contains("page-cache"), "{output:?}");
}
