//! `/proc/buddyinfo`: free blocks of each order in each zone.

use std::path::Path;

use super::{ReadError, excerpt, read_text};
use crate::ids::NodeId;

/// One zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeBlocks {
    /// Its node.
    pub node: NodeId,
    /// Its name.
    pub zone: String,
    /// Free blocks of `1 << order` pages, by order.
    pub blocks: Vec<u64>,
}

/// Reads the zones, in the kernel's order.
pub fn read(root: &Path) -> Result<Vec<FreeBlocks>, ReadError> {
    let relative = "proc/buddyinfo";
    let text = read_text(root, relative)?;
    let zone = |line: &str| {
        parse(line).ok_or_else(|| {
            ReadError::garbage(
                root.join(relative),
                format!(
                    "expected `Node N, zone NAME COUNTS`, found {}",
                    excerpt(line)
                ),
            )
        })
    };
    text.lines().map(zone).collect()
}

fn parse(line: &str) -> Option<FreeBlocks> {
    let (node, rest) = line.strip_prefix("Node ")?.split_once(',')?;
    let mut words = rest.split_ascii_whitespace();
    let zone = words
        .next()
        .filter(|&word| word == "zone")
        .and_then(|_| words.next())?;
    let blocks: Vec<u64> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
    // A kernel's largest order is far below 32, and shifts by an order must stay within 64 bits.
    (!blocks.is_empty() && blocks.len() <= 32).then_some(())?;
    Some(FreeBlocks {
        node: NodeId(node.parse().ok()?),
        zone: zone.to_owned(),
        blocks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_zone() {
        let wanted = FreeBlocks {
            node: NodeId(3),
            zone: "DMA32".to_owned(),
            blocks: vec![1, 0, 7],
        };
        assert_eq!(
            parse("Node 3, zone    DMA32      1      0      7 "),
            Some(wanted)
        );
        for garbage in [
            "",
            "Node 3, zone DMA",
            "Node x, zone DMA 1",
            "Node 3, zone DMA 1 x",
        ] {
            assert_eq!(parse(garbage), None, "{garbage}");
        }
        assert!(!read(Path::new("/")).unwrap().is_empty());
    }
}
