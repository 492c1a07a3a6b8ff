//! The compiled table of replacements in a SentencePiece model (`precompiled_charsmap`).
//!
//! The table holds a little-endian length, a trie over UTF-8 of as many bytes, and the replacements, each with a closing zero
//! byte. The trie is a double array in the format of the library Darts-clone, with one 32-bit unit per node:
//!
//! ```text
//! bits 0–7   label: the byte on the edge to this node; bit 31 is zero
//! bit 8      1 if a key ends here; the unit at the offset holds its value
//! bits 9–31  offset to the children, times 256 if bit 9 is set
//! value      bit 31 is set; the other bits are the start of the replacement
//! ```

/// Replacements of character sequences.
#[derive(Clone, Debug)]
pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

impl Charsmap {
    /// Reads a compiled table.
    ///
    /// # Errors
    /// A description of the fault in a damaged table.
    pub fn new(bytes: &[u8]) -> Result<Self, String> {
        let truncated = || "a truncated table of replacements".to_owned();
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(truncated)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (trie, replacements) = rest.split_at_checked(length).ok_or_else(truncated)?;
        if trie.is_empty() || !trie.len().is_multiple_of(4) {
            return Err(format!("a trie of {length} bytes in the table of replacements"));
        }
        let units = trie.chunks_exact(4).map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]])).collect();
        let replacements = String::from_utf8(replacements.to_vec())
            .map_err(|_| "replacements that are not UTF-8 in the table of replacements".to_owned())?;
        Ok(Self { units, replacements })
    }

    /// Returns the replacement of the longest prefix of `text` in the table, and the prefix's length in bytes.
    pub fn longest_match(&self, text: &str) -> Option<(&str, usize)> {
        let mut longest = None;
        let mut node = offset(*self.units.first()?);
        for (at, byte) in text.bytes().enumerate() {
            node ^= usize::from(byte);
            let Some(&unit) = self.units.get(node) else { break };
            if unit & 0x8000_00FF != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            if unit & 0x100 != 0 {
                longest = self.units.get(node).map(|value| ((value & 0x7FFF_FFFF) as usize, at + 1)).or(longest);
            }
        }
        let (start, length) = longest.filter(|(_, length)| text.is_char_boundary(*length))?;
        let replacement = self.replacements.get(start..)?.split('\0').next()?;
        Some((replacement, length))
    }
}

/// The offset from a unit to its children.
fn offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & 0x200) >> 6)) as usize
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A table of three replacements: `a` → `b`, `ab` → nothing, tab → space.
    pub fn table() -> Vec<u8> {
        let mut units = vec![0u32; 1024];
        // The root's children start at 256.
        units[0] = 256 << 10;
        let mut leaf = |at: usize, byte: u8, children: usize, value: u32| {
            units[at] = u32::from(byte) | 0x100 | (((at ^ children) as u32) << 10);
            units[children] = 0x8000_0000 | value;
        };
        leaf(256 ^ usize::from(b'a'), b'a', 512, 0);
        leaf(512 ^ usize::from(b'b'), b'b', 768, 2);
        leaf(256 ^ usize::from(b'\t'), b'\t', 600, 3);
        let trie: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        [&(trie.len() as u32).to_le_bytes()[..], &trie, b"b\0\0 \0"].concat()
    }

    #[test]
    fn longest_key_is_replaced() {
        let map = Charsmap::new(&table()).unwrap();
        assert_eq!(map.longest_match("ac"), Some(("b", 1)));
        assert_eq!(map.longest_match("abc"), Some(("", 2)));
        assert_eq!(map.longest_match("\tx"), Some((" ", 1)));
        assert_eq!(map.longest_match("b"), None);
        assert_eq!(map.longest_match(""), None);
    }

    #[test]
    fn damaged_tables_are_rejected() {
        let table = table();
        assert!(Charsmap::new(&table[..3]).unwrap_err().contains("truncated"));
        assert!(Charsmap::new(&table[..100]).unwrap_err().contains("truncated"));
        assert!(Charsmap::new(&[2, 0, 0, 0, 1, 2]).unwrap_err().contains("a trie of 2 bytes"));
        assert!(Charsmap::new(&[&table[..], &[0xFF]].concat()).unwrap_err().contains("UTF-8"));
    }
}
