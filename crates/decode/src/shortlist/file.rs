//! Marian's binary format of shortlists.
//!
//! | part | contents |
//! |---|---|
//! | magic, checksum | two u64 |
//! | first, best | two u64: tokens that every source gets, and the maximum length of a list |
//! | offsets, targets | two u64: the lengths of the next two parts |
//! | offsets | u64 each: where the list of a source token begins, and at last where the last one ends |
//! | targets | u32 each: target tokens, ascending within a list |

/// The contents of a file, with the ids that it has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    /// Tokens 0 to `first` − 1 belong to every source.
    pub first: usize,
    /// The maximum length of a list.
    pub best: usize,
    /// One more than there are source tokens.
    pub offsets: Vec<usize>,
    pub targets: Vec<u32>,
}

const MAGIC: u64 = 0xF11A_48D5_0134_17F5;
/// Bytes before the offsets.
const HEAD: usize = 48;

impl Lists {
    /// # Errors
    /// Bytes of another format, or damaged ones, as (found, expected).
    pub fn read(bytes: &[u8]) -> Result<Self, (String, &'static str)> {
        let number = |at: usize| {
            let bytes = bytes.get(8 * at..8 * at + 8).and_then(|bytes| bytes.first_chunk::<8>());
            bytes.map(|bytes| u64::from_le_bytes(*bytes))
        };
        let expected = "a binary shortlist of Marian (lex.*.bin)";
        if number(0) != Some(MAGIC) {
            return Err(("another kind of file".to_string(), expected));
        }
        let size = |at: usize| number(at).and_then(|number| usize::try_from(number).ok());
        let sizes = [2, 3, 4, 5].map(size);
        let [Some(first), Some(best), Some(offsets), Some(targets)] = sizes else {
            return Err(("a file that breaks off".to_string(), expected));
        };
        let rest = &bytes[HEAD..];
        let split = offsets.checked_mul(8).and_then(|length| rest.split_at_checked(length));
        let parts = split.filter(|(_, rest)| targets.checked_mul(4) == Some(rest.len()) && offsets > 0);
        let Some((offset_bytes, target_bytes)) = parts else {
            let found = format!("{} bytes for {offsets} offsets and {targets} tokens", bytes.len());
            return Err((found, "8 bytes for each offset and 4 for each token"));
        };
        if number(1) != Some(checksum(&bytes[16..])) {
            return Err(("a wrong checksum".to_string(), "the file as it was written; fetch it again"));
        }
        let words = offset_bytes.chunks_exact(8).filter_map(|bytes| bytes.first_chunk::<8>());
        let offsets: Vec<usize> = words.map(|bytes| u64::from_le_bytes(*bytes) as usize).collect();
        let ascending = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        if !ascending || offsets.last() != Some(&targets) {
            return Err(("lists that are not in order".to_string(), "each list behind the one before"));
        }
        let words = target_bytes.chunks_exact(4).filter_map(|bytes| bytes.first_chunk::<4>());
        Ok(Self { first, best, offsets, targets: words.map(|bytes| u32::from_le_bytes(*bytes)).collect() })
    }

    /// The bytes of a file.
    pub fn write(&self) -> Vec<u8> {
        let sizes = [self.first, self.best, self.offsets.len(), self.targets.len()];
        let numbers = sizes.iter().chain(&self.offsets).flat_map(|&number| (number as u64).to_le_bytes());
        let body: Vec<u8> = numbers.chain(self.targets.iter().flat_map(|id| id.to_le_bytes())).collect();
        [&MAGIC.to_le_bytes()[..], &checksum(&body).to_le_bytes(), &body].concat()
    }
}

/// The hash of all whole u64, as Marian combines hashes.
fn checksum(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).filter_map(|bytes| bytes.first_chunk::<8>());
    words.map(|bytes| u64::from_le_bytes(*bytes)).fold(0u64, |seed, word| {
        let mixed = word.wrapping_add(0x9e37_79b9).wrapping_add(seed << 6).wrapping_add(seed >> 2);
        seed ^ mixed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_written_and_damage_is_found() {
        let lists = Lists { first: 2, best: 3, offsets: vec![0, 2, 2, 5], targets: vec![4, 9, 1, 2, 3] };
        let bytes = lists.write();
        assert_eq!(Lists::read(&bytes), Ok(lists));
        for (at, part) in [(0, "another kind"), (8, "checksum"), (16, "checksum"), (40, "bytes for"), (48, "checksum")]
        {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(Lists::read(&damaged).unwrap_err().0.contains(part), "byte {at}");
        }
        (0..bytes.len()).for_each(|len| assert!(Lists::read(&bytes[..len]).is_err(), "{len} bytes"));
        let disordered = Lists { first: 0, best: 1, offsets: vec![1, 0, 1], targets: vec![4] };
        assert!(Lists::read(&disordered.write()).unwrap_err().0.contains("not in order"));
    }
}
