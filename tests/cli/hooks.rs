//! The list of hooks, and choices that cannot be met. Nothing is traced here.

use crate::numatrace;

#[test]
fn the_list_of_hooks_is_data_and_a_normal_end() {
    let output = numatrace(&["trace", "--hooks", "list"]);
    assert_eq!(
        (output.status.code(), output.stderr.as_str()),
        (Some(0), "")
    );
    for hook in ["page_alloc\n", "page_migration\n", "task_run\n"] {
        assert!(output.stdout.contains(hook), "{}", output.stdout);
    }
    let json = numatrace(&["trace", "--hooks", "list", "-f", "json"]).stdout;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    assert!(rows.len() > 10, "{json}");
    for row in rows {
        assert!(
            row["cost"].as_str().is_some_and(|cost| !cost.is_empty()),
            "{row}"
        );
    }
}

#[test]
fn a_wish_that_cannot_be_met_is_a_usage_error_with_the_names() {
    for (asked, why) in [
        ("page_aloc", "no hook \"page_aloc\""),
        ("task_move,-task_run", "not both"),
        ("+page_fault,-page_alloc", "page_fault needs page_alloc"),
        ("-task_life", "task_life cannot be left out"),
    ] {
        let output = numatrace(&["trace", "-d", "1", "--hooks", asked]);
        assert_eq!(
            (output.status.code(), output.stdout.as_str()),
            (Some(2), "")
        );
        assert!(output.stderr.contains(why), "{asked}: {}", output.stderr);
        assert!(
            output.stderr.contains("page_migration"),
            "{asked}: {}",
            output.stderr
        );
    }
}
