//! The kernel's functions by address, from `/proc/kallsyms`, for naming return addresses. The file
//! has some ten megabytes, so it is read only for sessions with kernel stacks.

use std::{fs, path::Path};

use crate::attach::kallsyms::SymbolGap;

/// The kernel's functions in ascending order of address.
#[derive(Clone, Debug, Default)]
pub struct KernelText {
    names: String,
    /// Address, and the end of the name in `names`; the name begins at the end of the previous one.
    functions: Vec<(u64, usize)>,
}

impl KernelText {
    /// Reads a file with the format of `/proc/kallsyms`, functions of modules included.
    ///
    /// # Errors
    /// The file cannot be read, or hides its addresses.
    pub fn read(path: &Path) -> Result<Self, SymbolGap> {
        let text = fs::read(path).map_err(|error| SymbolGap::Unreadable(error.to_string()))?;
        Self::of(&text)
    }

    fn of(text: &[u8]) -> Result<Self, SymbolGap> {
        let mut lines: Vec<(u64, &str)> = text
            .split(|byte| *byte == b'\n')
            .filter_map(function)
            .collect();
        lines.sort_unstable();
        if lines.last().is_none_or(|(address, _)| *address == 0) {
            return Err(SymbolGap::Hidden);
        }
        let mut all = Self::default();
        for (address, name) in lines {
            all.names.push_str(name);
            all.functions.push((address, all.names.len()));
        }
        Ok(all)
    }

    /// Returns the function that a return address leads back to. The call before that address may
    /// be the last instruction of its function.
    #[must_use]
    pub fn caller(&self, returns_to: u64) -> Option<&str> {
        let behind = self
            .functions
            .partition_point(|(start, _)| *start < returns_to);
        let at = behind.checked_sub(1)?;
        let (_, end) = self.functions.get(at)?;
        let begin = match at.checked_sub(1) {
            Some(before) => self.functions.get(before)?.1,
            None => 0,
        };
        self.names.get(begin..*end)
    }
}

/// Returns address and name of a function's line; `None` for data.
fn function(line: &[u8]) -> Option<(u64, &str)> {
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let address = u64::from_str_radix(fields.next()?, 16).ok()?;
    let kind = fields.next()?;
    let name = fields.next()?;
    matches!(kind, "t" | "T" | "w" | "W").then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_address_belongs_to_the_function_before_it() {
        let text = b"ffffffff81000100 t second\nffffffff81000000 T first\n\
                     ffffffff81000080 d data\nffffffff81000200 t third\t[module]\n";
        let text = KernelText::of(text).unwrap();
        assert_eq!(text.caller(0xffff_ffff_8100_0001), Some("first"));
        // A call that never returns is the last instruction of its function.
        assert_eq!(text.caller(0xffff_ffff_8100_0100), Some("first"));
        assert_eq!(text.caller(0xffff_ffff_8100_0101), Some("second"));
        assert_eq!(text.caller(u64::MAX), Some("third"));
        assert_eq!(text.caller(0x10), None);
    }

    #[test]
    fn hidden_addresses_are_a_reason() {
        let text = b"0000000000000000 T first\n0000000000000000 t second\n";
        assert_eq!(KernelText::of(text).unwrap_err(), SymbolGap::Hidden);
        assert_eq!(KernelText::of(b"").unwrap_err(), SymbolGap::Hidden);
    }
}
