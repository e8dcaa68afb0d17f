//! The lines of one address space in order of addresses. A later line covers the earlier ones below
//! it.

use serde::{Deserialize, Serialize};

use super::maps::MapLine;

/// Most lines kept of one process: the kernel's default limit of mappings (`vm.max_map_count`).
const MOST: usize = 65_530;

/// Disjoint lines in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines(Vec<MapLine>);

impl Lines {
    /// Adds a line over the existing ones; parts of older lines that it does not cover stay,
    /// because unmapped memory keeps its name until a new mapping covers it. Returns false when
    /// there is no room.
    pub fn overlay(&mut self, line: MapLine) -> bool {
        if line.start >= line.end || self.0.len() + 2 > MOST {
            return line.start >= line.end;
        }
        let first = self.0.partition_point(|old| old.end <= line.start);
        let behind = self.0.partition_point(|old| old.start < line.end);
        let covered = self.0.get(first..behind).unwrap_or_default();
        let below = covered
            .first()
            .and_then(|old| part(old, old.start, line.start));
        let above = covered.last().and_then(|old| part(old, line.end, old.end));
        let new = below.into_iter().chain([line]).chain(above);
        self.0.splice(first..behind.max(first), new);
        true
    }

    /// Returns the line with an address.
    pub fn at(&self, address: u64) -> Option<&MapLine> {
        let before = self.0.partition_point(|line| line.start <= address);
        self.0
            .get(before.checked_sub(1)?)
            .filter(|line| address < line.end)
    }

    /// Returns all lines in order of addresses.
    pub fn iter(&self) -> impl Iterator<Item = &MapLine> {
        self.0.iter()
    }

    /// Returns the number of lines.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Returns the part of a line from `start` to `end`; `None` for an empty part.
fn part(line: &MapLine, start: u64, end: u64) -> Option<MapLine> {
    (start < end).then(|| MapLine {
        start,
        end,
        offset: line.offset.wrapping_add(start - line.start),
        ..line.clone()
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Name;

    fn line(start: u64, end: u64, offset: u64, name: &str) -> MapLine {
        MapLine {
            offset,
            ..MapLine::example(start, end, name)
        }
    }

    #[test]
    fn a_loader_maps_a_library_whole_and_its_parts_over_it() {
        let mut lines = Lines::default();
        lines.overlay(line(0x1000, 0x9000, 0, "lib"));
        lines.overlay(line(0x3000, 0x5000, 0x2000, "text"));
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (line.start, line.end, line.offset))
            .collect();
        assert_eq!(
            seen,
            [
                (0x1000, 0x3000, 0),
                (0x3000, 0x5000, 0x2000),
                (0x5000, 0x9000, 0x4000)
            ]
        );
        assert_eq!(lines.at(0x4fff).unwrap().name, *"text");
        assert_eq!(lines.at(0x9000), None);
    }

    proptest! {
        #[test]
        fn the_last_line_added_at_an_address_is_the_one_found(
            added in proptest::collection::vec((0u64..200, 0u64..40), 0..60)
        ) {
            let mut lines = Lines::default();
            for (number, (start, length)) in added.iter().enumerate() {
                let name = number.to_string();
                prop_assert!(lines.overlay(line(*start, start + length, *start, &name)));
            }
            for address in 0..260 {
                let covers = |(start, length): &(u64, u64)| {
                    (*start..start + length).contains(&address)
                };
                let last = added.iter().rposition(covers);
                let name = last.map(|number| Name::from(number.to_string()));
                let found = lines.at(address);
                prop_assert_eq!(found.map(|line| line.name.clone()), name);
                // Offsets follow addresses however a line was split.
                prop_assert!(found.is_none_or(|line| line.offset == line.start));
            }
            let all: Vec<_> = lines.iter().collect();
            prop_assert!(all.windows(2).all(|pair| pair[0].end <= pair[1].start));
        }
    }
}
