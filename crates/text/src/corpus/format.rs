//! The format of a file, from its first bytes: names are not trusted.

/// Bytes that are enough to recognise every format: those of a tar header up to its magic number.
pub(super) const START: usize = 512;

/// First bytes of compressed files.
const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
/// First bytes of a skippable zstd frame, after a byte from 0x50 to 0x5F; `pzstd` writes one first.
const ZSTD_SKIPPED: &[u8] = &[0x2A, 0x4D, 0x18];

const DECOMPRESS: &str = "decompress the file first";
const UNPACK: &str = "unpack the archive and give the files in it";
/// Formats that errors name, rather than "not UTF-8", with their remedy.
const FOREIGN: [(&[u8], &str, &str); 5] = [
    (&[0xFD, 0x37, 0x7A, 0x58, 0x5A], "xz-compressed", DECOMPRESS),
    (b"BZh", "bzip2-compressed", DECOMPRESS),
    (&[0x04, 0x22, 0x4D, 0x18], "lz4-compressed", DECOMPRESS),
    (b"PK\x03\x04", "zip", UNPACK),
    (b"7z\xBC\xAF\x27\x1C", "7z", UNPACK),
];
/// The magic number of a tar archive and its position.
const TAR: (usize, &[u8]) = (257, b"ustar");

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// Returns the compression of a file that starts with `start`.
    pub fn of(start: &[u8]) -> Option<Self> {
        let skipped = start.len() >= 4 && start[0] & 0xF0 == 0x50 && start[1..].starts_with(ZSTD_SKIPPED);
        match start {
            _ if start.starts_with(GZIP) => Some(Self::Gzip),
            _ if skipped || start.starts_with(ZSTD) => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Returns the name and remedy of a format that is not read.
pub(super) fn foreign(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let (position, magic) = TAR;
    if start.get(position..).is_some_and(|rest| rest.starts_with(magic)) {
        return Some(("tar", UNPACK));
    }
    FOREIGN.iter().find(|(magic, ..)| start.starts_with(magic)).map(|&(_, format, remedy)| (format, remedy))
}

/// Returns the name of an encoding other than UTF-8, by its byte order mark, or by the NUL bytes of Latin letters in
/// UTF-16.
pub(super) fn foreign_encoding(start: &[u8]) -> Option<&'static str> {
    let marks: [(&[u8], &str); 4] = [
        (&[0xFF, 0xFE, 0, 0], "UTF-32"),
        (&[0, 0, 0xFE, 0xFF], "UTF-32"),
        (&[0xFF, 0xFE], "UTF-16"),
        (&[0xFE, 0xFF], "UTF-16"),
    ];
    if let Some((_, encoding)) = marks.iter().find(|(mark, _)| start.starts_with(mark)) {
        return Some(encoding);
    }
    let zeros = |odd: usize| start.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match (even + odd) * 4 >= start.len() && even + odd > 0 {
        false => None,
        true if even > odd => Some("UTF-16BE"),
        true => Some("UTF-16LE"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_have_a_mark_or_many_nul_bytes() {
        let utf16 = |unit: fn(u16) -> [u8; 2]| "a\tb\n".encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        assert_eq!(foreign_encoding(&utf16(u16::to_le_bytes)), Some("UTF-16LE"));
        assert_eq!(foreign_encoding(&utf16(u16::to_be_bytes)), Some("UTF-16BE"));
        assert_eq!(foreign_encoding(&[&[0xFF, 0xFE][..], &utf16(u16::to_le_bytes)].concat()), Some("UTF-16"));
        assert_eq!(foreign_encoding(&[0xFF, 0xFE, 0, 0, b'a', 0, 0, 0]), Some("UTF-32"));
        for text in [&b""[..], b"a\tb\n", b"a\0b\tthe rest is text\n", "\u{FEFF}a".as_bytes()] {
            assert_eq!(foreign_encoding(text), None);
        }
    }
}
