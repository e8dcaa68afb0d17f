//! Prints samples in the format of the plan.

use std::io::{self, Write};

use super::plan::{Form, Plan};
use crate::model::stat::Sample;
use crate::output::stat::{csv, highlight, interval, render};
use crate::output::{escape, json};

/// Number of readings after which the header is repeated, so that one is always on the screen.
const HEADER_EVERY: u64 = 20;

/// Escape sequence that clears the screen and moves to its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Prints samples, and remembers the last text to highlight changes.
pub struct Printer<'a> {
    plan: &'a Plan,
    printed: u64,
    last: Option<String>,
}

impl<'a> Printer<'a> {
    /// Creates a printer.
    pub fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            printed: 0,
            last: None,
        }
    }

    /// Prints one sample.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn print(&mut self, sample: &Sample, out: &mut dyn Write) -> io::Result<()> {
        let header = self.printed.is_multiple_of(HEADER_EVERY);
        match self.plan.form {
            Form::Json if self.plan.interval.is_none() => {
                out.write_all(json::to_pretty(sample)?.as_bytes())?;
            }
            Form::Json => out.write_all(json::to_line(sample)?.as_bytes())?,
            Form::Csv => {
                let header = if self.printed == 0 { csv::HEADER } else { "" };
                write!(out, "{header}{}", escape::lines(&csv::lines(sample)))?;
            }
            Form::Rates => {
                if self.printed == 0 {
                    out.write_all(interval::legend().as_bytes())?;
                }
                let header = if header {
                    interval::rates_header()
                } else {
                    String::new()
                };
                write!(out, "{header}{}", interval::rates(sample))?;
            }
            Form::Shares(share) => {
                let header = if header {
                    interval::shares_header(sample)
                } else {
                    String::new()
                };
                write!(out, "{header}{}", interval::shares(sample, share))?;
            }
            Form::Text { highlight, clear } => self.tables(sample, highlight, clear, out)?,
        }
        self.printed += 1;
        out.flush()
    }

    fn tables(
        &mut self,
        sample: &Sample,
        highlight: bool,
        clear: bool,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        // Before changes are marked, which takes escape sequences of our own.
        let text = escape::lines(&render(sample, &self.plan.text)).into_owned();
        if clear {
            writeln!(out, "{CLEAR}{}", sample.time)?;
        } else if self.plan.interval.is_some() {
            writeln!(out, "\n{}", sample.time)?;
        }
        match &self.last {
            Some(last) if highlight => out.write_all(highlight::changes(last, &text).as_bytes())?,
            _ => out.write_all(text.as_bytes())?,
        }
        self.last = Some(text);
        Ok(())
    }
}
