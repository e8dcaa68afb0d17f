//! Lines of CSV that no spreadsheet takes for formulas.

use std::borrow::Cow;

/// Lines under construction, quoted where CSV needs it.
pub struct Lines(csv::Writer<Vec<u8>>);

impl Default for Lines {
    fn default() -> Self {
        let writer = csv::WriterBuilder::new()
            // The writer quotes fields with a comment character in them: so [`text`]'s apostrophe
            // always stands in quotes.
            .comment(Some(b'\''))
            .from_writer(Vec::new());
        Self(writer)
    }
}

impl Lines {
    /// Adds one line. Every line must have as many cells as the first.
    pub fn line<C: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = C>) {
        // Writing to a Vec cannot fail, and callers have a fixed number of cells.
        let _ = self.0.write_record(cells);
    }

    /// Returns the lines, each with a newline at its end.
    #[must_use]
    pub fn finish(self) -> String {
        let bytes = self.0.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// Makes a text safe as a cell: one that begins like a formula (`= + - @`) gets an apostrophe in
/// front, so that no process can run something in a spreadsheet by choosing its name. Numbers do
/// not go through here: a negative one is not a formula.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(text: &str) -> String {
        let mut lines = Lines::default();
        lines.line([super::text(text).as_ref()]);
        lines.finish().trim_end_matches('\n').to_owned()
    }

    #[test]
    fn a_text_like_a_formula_or_with_a_separator_is_quoted() {
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
