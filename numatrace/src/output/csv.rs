//! Cells of CSV.

/// A text as one CSV cell. It is quoted when it must be; a text that begins like a formula (`= + - @`) gets an apostrophe in front, so that
/// no process can run something in a spreadsheet by choosing its name.
#[must_use]
pub fn cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\n', '\r', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_or_ends_a_cell_is_quoted() {
        for (text, wanted) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("=1+1", "\"'=1+1\""),
            ("-x", "\"'-x\""),
            ("@a", "\"'@a\""),
            ("+a", "\"'+a\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
        ] {
            assert_eq!(cell(text), wanted);
        }
    }
}
