//! No line of source or text has more than [`COLUMNS`] columns.
//!
//! rustfmt wraps code only: comments and string literals are wrapped by hand. These may be longer,
//! since they cannot be wrapped or lose by it:
//!
//! - the part of a line that is a URL;
//! - in Markdown: rows of tables, and fenced blocks, which show what a program prints;
//! - in Rust: lines of raw string literals (all others can go on in a new line after a `\`), and
//!   declarations of kernel functions (`//! proto:`, `//! tp:`), which are parsed line by line.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use proc_macro2::{TokenStream, TokenTree};

use crate::workspace;

/// The width of code as well (rustfmt's `max_width`).
const COLUMNS: usize = 100;
/// Endings of the names of files that are looked at, and names of others.
const ENDINGS: [&str; 4] = ["rs", "md", "toml", "sh"];
const OTHERS: [&str; 1] = [".ci/run"];
/// Folders, by path below the workspace, that are not the project's own text.
const NOT_OURS: [&str; 2] = ["target", ".git"];

/// Checks every file of the workspace.
///
/// # Errors
/// One line for each that is too long.
pub fn check() -> Result<()> {
    let root = workspace::root();
    let mut found = Vec::new();
    for path in files(&root)? {
        let text = fs::read_to_string(root.join(&path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        let long = too_long(&path, &text);
        found.extend(long.iter().map(|line| format!("{}:{line}", path.display())));
    }
    if !found.is_empty() {
        bail!(
            "lines of more than {COLUMNS} columns:\n{}",
            found.join("\n")
        );
    }
    Ok(())
}

/// Returns the files to look at, by path below `root`.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                if !NOT_OURS.iter().any(|not_ours| path == Path::new(not_ours)) {
                    folders.push(path);
                }
            } else if ending(&path).is_some() || OTHERS.iter().any(|other| path == Path::new(other))
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the ending of a name, if files with it are looked at.
fn ending(path: &Path) -> Option<&str> {
    let ending = path.extension()?.to_str()?;
    ENDINGS.contains(&ending).then_some(ending)
}

/// Returns the numbers of the lines of a file that are too long, from 1 on.
fn too_long(path: &Path, text: &str) -> Vec<usize> {
    let excepted = match ending(path) {
        Some("md") => tables_and_fences(text),
        Some("rs") => &raw_strings(text) | &declarations(text),
        _ => BTreeSet::new(),
    };
    let numbered = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let long =
        numbered.filter(|(number, line)| columns(line) > COLUMNS && !excepted.contains(number));
    long.map(|(number, _)| number).collect()
}

/// Returns how many characters a line has, those of URLs left out.
fn columns(line: &str) -> usize {
    let words = line.split_inclusive([' ', '(', ')', '<', '>']);
    let text = words.filter(|word| !word.starts_with("https://") && !word.starts_with("http://"));
    text.map(|word| word.chars().count()).sum()
}

/// Returns the lines of a Markdown text that are rows of tables or stand in fenced blocks.
fn tables_and_fences(text: &str) -> BTreeSet<usize> {
    let mut is_fenced = false;
    let mut found = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced || line.starts_with('|') {
            found.insert(index + 1);
        }
    }
    found
}

/// Returns the lines of a Rust source that a raw string literal lies on. A text that is no Rust has
/// none; the compiler says why it is none.
fn raw_strings(text: &str) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    if let Ok(tokens) = text.parse::<TokenStream>() {
        collect_raw_strings(tokens, &mut found);
    }
    found
}

/// Returns the lines that declare what a probe expects of a kernel function or tracepoint.
fn declarations(text: &str) -> BTreeSet<usize> {
    let lines = text.lines().enumerate();
    let declared =
        lines.filter(|(_, line)| line.starts_with("//! proto:") || line.starts_with("//! tp:"));
    declared.map(|(index, _)| index + 1).collect()
}

fn collect_raw_strings(tokens: TokenStream, found: &mut BTreeSet<usize>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => collect_raw_strings(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if ["r\"", "r#", "br\"", "br#"]
                    .iter()
                    .any(|raw| text.starts_with(raw))
                {
                    let span = literal.span();
                    found.extend(span.start().line..=span.end().line);
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(name: &str, text: &str) -> Vec<usize> {
        too_long(Path::new(name), text)
    }

    #[test]
    fn a_line_is_too_long_from_101_columns_on() {
        let (fits, not) = ("ä".repeat(100), "ä".repeat(101));
        for name in ["a.rs", "a.md", "a.toml", "a.sh", ".ci/run"] {
            assert_eq!(
                long(name, &format!("{fits}\n{not}\n\n{not}")),
                [2, 4],
                "{name}"
            );
        }
    }

    #[test]
    fn a_url_takes_no_columns_and_the_text_around_it_does() {
        let url = format!("https://example.org/{}", "x".repeat(100));
        assert!(long("a.rs", &format!("// see {url}")).is_empty());
        assert!(long("a.md", &format!("[here]({url}), and so on")).is_empty());
        assert_eq!(long("a.md", &format!("{} {url}", "word ".repeat(25))), [1]);
    }

    #[test]
    fn tables_and_fenced_blocks_of_markdown_may_be_wide() {
        let wide = "wide ".repeat(30);
        let text =
            format!("| {wide} |\n```\n{wide}\n```\n{wide}\n- item\n  ```sh\n  {wide}\n  ```\n");
        assert_eq!(long("a.md", &text), [5]);
        assert_eq!(long("a.rs", &format!("| {wide}")), [1], "not in code");
    }

    #[test]
    fn raw_strings_of_rust_may_be_wide_and_other_strings_are_wrapped() {
        let wide = "wide ".repeat(30);
        let text = format!(
            "const A: &str = \"{wide}\";\nconst B: &str = r\"{wide}\";\n\
             const C: &[u8] = br#\"\n{wide}\n{wide}\"#;\n\
             // r\"{wide}\"\nfn f() {{ g(\"{wide}\") }}\n"
        );
        assert_eq!(long("a.rs", &text), [1, 6, 7]);
    }

    #[test]
    fn declarations_of_kernel_functions_may_be_wide_and_other_comments_not() {
        let wide = "int f(unsigned long argument)".repeat(5);
        let text = format!("//! proto: 6.1..: {wide}\n//! tp: 6.1..: {wide}\n//! {wide}\n");
        assert_eq!(long("a.rs", &text), [3]);
    }

    #[test]
    fn every_kind_of_file_is_looked_at_and_builds_are_not() {
        let root = tempfile::tempdir().unwrap();
        let names = [
            ".ci/run",
            ".git/a.md",
            "a/b/c.rs",
            "docs/a.md",
            "docs/a.json",
            "target/a.rs",
            "x.toml",
        ];
        for name in names {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = files(root.path()).unwrap();
        let expected = [".ci/run", "a/b/c.rs", "docs/a.md", "x.toml"];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
