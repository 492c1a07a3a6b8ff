//! Files as people have them. Each test names the public report that it stands for.

use std::fs;
use std::path::PathBuf;

use text::{Pair, ParallelPath, read_parallel};

use crate::common::{gzip, zstandard};

struct Folder(temp_dir::TempDir);

impl Folder {
    fn new() -> Self {
        Self(temp_dir::TempDir::new().unwrap())
    }

    fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// The pairs of a tab-separated file with these bytes.
    fn pairs(&self, bytes: impl AsRef<[u8]>) -> Vec<Pair> {
        read_parallel(&ParallelPath::Tsv(self.file("a", bytes).into())).unwrap()
    }

    /// The message for a tab-separated file with these bytes.
    fn error(&self, bytes: impl AsRef<[u8]>) -> String {
        let path = self.file("a", bytes);
        let message = read_parallel(&ParallelPath::Tsv(path.into())).unwrap_err().to_string();
        message.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn pair(source: &str, target: &str) -> Pair {
    Pair { source: source.into(), target: target.into() }
}

/// rust-lang/flate2-rs#396, pauldmccarthy/indexed_gzip#69, pmqs/IO-Compress#60
#[test]
fn zero_bytes_after_gzip_are_padding() {
    let (folder, zeros) = (Folder::new(), |count| vec![0; count]);
    let (first, second) = (gzip("1\t2\n3\t4\n"), gzip("5\t6\n"));
    let expected = [pair("1", "2"), pair("3", "4"), pair("5", "6")];
    for padding in [1, 2, 512, 200_000] {
        assert_eq!(folder.pairs([&first[..], &zeros(padding)].concat()), expected[..2]);
        // Python's gzip reads on behind padding, as tapes and concatenated archives need.
        assert_eq!(folder.pairs([&first[..], &zeros(padding), &second, &zeros(padding)].concat()), expected);
    }
    assert_eq!(folder.pairs([&first[..], &second].concat()), expected);
}

/// pmqs/IO-Compress#62
#[test]
fn other_bytes_after_gzip_are_rejected() {
    let (folder, whole) = (Folder::new(), gzip("1\t2\n3\t4\n"));
    for rubbish in [&b"x"[..], b"more text\n", b"\0\0rubbish", b"\x1f", b"\x1f\x8b"] {
        let message = folder.error([&whole[..], rubbish].concat());
        let parts = ["a: found other bytes after the gzip data, which ends with line 2", "`gzip -dc`"];
        let cut = "a: the gzip data is truncated or damaged after line 2";
        // The start of a header is a member that was cut off.
        assert!(parts.iter().all(|part| message.contains(part)) || message.starts_with(cut), "{message}");
        assert_eq!(message.starts_with(cut), rubbish[0] == 0x1F, "{message}");
    }
}

/// facebook/zstd#904, gyscos/zstd-rs#13, oven-sh/bun#36021
#[test]
fn zstd_frames_follow_each_other() {
    let folder = Folder::new();
    let skippable = |length: usize| {
        let length_bytes = (length as u32).to_le_bytes();
        [&[0x53u8, 0x2A, 0x4D, 0x18][..], &length_bytes, &vec![7; length]].concat()
    };
    let frames = [zstandard("1\t2\n3\t"), skippable(100_000), zstandard("4\n"), zstandard(""), skippable(0)].concat();
    assert_eq!(folder.pairs(&frames), [pair("1", "2"), pair("3", "4")]);
    let message = folder.error([&frames[..], b"rubbish"].concat());
    assert!(message.starts_with("a: the zstd data is truncated or damaged after line 2"), "{message}");
    let message = folder.error([&frames[..], &skippable(9)[..12]].concat());
    assert!(message.starts_with("a: the zstd data is truncated or damaged after line 2"), "{message}");
}

/// eBay/tsv-utils#355, INCATools/dosdp-tools#56
#[test]
fn a_blank_line_is_an_empty_pair_in_both_forms() {
    let folder = Folder::new();
    let expected = [pair("a", "b"), pair("", ""), pair("c", "d"), pair("", "")];
    assert_eq!(folder.pairs("a\tb\n\nc\td\n\n"), expected);
    let files = ParallelPath::Files {
        source: folder.file("s", "a\n\nc\n\n").into(),
        target: folder.file("t", "b\n\nd\n\n").into(),
    };
    assert_eq!(read_parallel(&files).unwrap(), expected);
    for blank in [" ", "\r", "\u{a0}", "\t\t", "\u{feff}", "\u{200b}\u{ad}"] {
        assert_eq!(folder.pairs(format!("a\tb\n{blank}\nc\td\n{blank}")), expected, "{blank:?}");
    }
    assert!(folder.error("a\tb\nc d\n").starts_with("a:2: found 0 tabs"));
}

/// UniversalDependencies/UD_German-GSD#29
#[test]
fn a_mark_at_the_start_of_any_line_is_no_text() {
    let folder = Folder::new();
    let expected = [pair("a", "b"), pair("c", "d"), pair("e", "f")];
    assert_eq!(folder.pairs("\u{feff}a\tb\n\u{feff}\u{feff}c\td\r\ne\tf"), expected);
    // `paste` of two files, each with a mark.
    assert_eq!(folder.pairs("\u{feff}a\t\u{feff}b\nc\td\ne\tf"), expected);
}

/// pytorch/tutorials#3334, tensorflow/tfjs-examples#921
#[test]
fn a_third_column_is_named_with_its_remedy() {
    let folder = Folder::new();
    let message = folder.error("Go.\tGeh.\tCC-BY 2.0 (France) Attribution: tatoeba.org #2877272 (x) & #8597805 (y)\n");
    let expected = "a:1: found 2 tabs, expected exactly one (source TAB target); \
                    keep the first two columns with `cut -f1,2`, or fix the line";
    assert_eq!(message, expected);
    assert!(folder.error("road ||| Strasse\n").ends_with("replace ` ||| ` by a tab, or fix or remove the line"));
    assert!(folder.error("\"a road\",\"eine Strasse\"\n").contains("; convert CSV to two tab-separated columns"));
}

/// tensorflow/tensorflow#35673
#[test]
fn lone_carriage_returns_are_named() {
    let folder = Folder::new();
    let expected = "a:1: found lone carriage returns, expected lines that end in a line feed; \
                    convert the file with `tr '\\r' '\\n'`";
    assert_eq!(folder.error("a\tb\rc\td\r"), expected);
    assert_eq!(folder.error(gzip("a\tb\rc\td")), expected);
    assert!(folder.error("a\tb\nc\td\re\tf\n").starts_with("a:2: found lone carriage returns"));
    let files =
        ParallelPath::Files { source: folder.file("s", "a\rc\r").into(), target: folder.file("t", "b\rd\r").into() };
    assert!(read_parallel(&files).unwrap_err().to_string().contains("s:1: found lone carriage returns"));
    // Windows ends, also doubled, are no such thing.
    assert_eq!(folder.pairs("a\tb\r\nc\td\r\r\n"), [pair("a", "b"), pair("c", "d")]);
}

#[test]
fn other_encodings_are_named() {
    let folder = Folder::new();
    let utf16 = |unit: fn(u16) -> [u8; 2]| "a road\teine Straße\n".encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let (little, big) = (utf16(u16::to_le_bytes), utf16(u16::to_be_bytes));
    for (bytes, encoding) in [
        ([&[0xFF, 0xFE][..], &little].concat(), "UTF-16"),
        ([&[0xFE, 0xFF][..], &big].concat(), "UTF-16"),
        (little, "UTF-16LE"),
        (big, "UTF-16BE"),
    ] {
        let expected =
            format!("a: found {encoding} text, expected UTF-8; convert the file with `iconv -f {encoding} -t UTF-8`");
        assert_eq!(folder.error(bytes), expected);
    }
    assert_eq!(folder.pairs("a\0b\tc\n"), [pair("a\0b", "c")], "a single NUL is a character");
}

/// jbrry/Irish-BERT#67
#[test]
fn archives_are_named() {
    let folder = Folder::new();
    let mut tar = vec![0; 1024];
    tar[..9].copy_from_slice(b"train.tsv");
    tar[257..262].copy_from_slice(b"ustar");
    let tar = String::from_utf8(tar).unwrap();
    for bytes in [tar.clone().into_bytes(), gzip(&tar), zstandard(&tar)] {
        let expected =
            "a: found tar data, expected plain text, gzip or zstd; unpack the archive and give the files in it";
        assert_eq!(folder.error(bytes), expected);
    }
    assert!(folder.error(b"PK\x03\x04\x14\0").starts_with("a: found zip data"));
}

#[test]
fn a_folder_is_named() {
    let folder = Folder::new();
    let message = read_parallel(&ParallelPath::Tsv(folder.0.path().into())).unwrap_err().to_string();
    assert!(message.contains("found a folder, expected a file; give the files in it"), "{message}");
}

#[cfg(unix)]
mod pipes {
    use std::process::Command;
    use std::thread;

    use super::*;

    fn fifo(folder: &Folder, name: &str) -> PathBuf {
        let path = folder.0.path().join(name);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }

    /// marian-nmt/marian-dev#425, facebookresearch/fastText#522
    #[test]
    fn a_pipe_is_read_once() {
        let (folder, text) = (Folder::new(), gzip("1\t2\n3\t4\n"));
        let path = fifo(&folder, "p");
        let writer = thread::spawn({
            let path = path.clone();
            move || {
                // Byte by byte, so that the first read holds less than a magic number.
                let mut pipe = fs::OpenOptions::new().write(true).open(path).unwrap();
                text.iter().for_each(|byte| std::io::Write::write_all(&mut pipe, &[*byte]).unwrap());
            }
        });
        let corpus = ParallelPath::Tsv(path.clone().into());
        assert_eq!(corpus.pipe(), Some(path.as_path()));
        assert_eq!(read_parallel(&corpus).unwrap(), [pair("1", "2"), pair("3", "4")]);
        writer.join().unwrap();
        assert_eq!(ParallelPath::Tsv(folder.file("plain", "").into()).pipe(), None);
    }

    /// marian-nmt/marian-dev#437
    #[test]
    fn a_pipe_given_twice_is_rejected() {
        let folder = Folder::new();
        let path = fifo(&folder, "p");
        std::os::unix::fs::symlink(&path, folder.0.path().join("link")).unwrap();
        let link = folder.0.path().join("link");
        for corpus in [
            ParallelPath::Tsv([path.clone(), path.clone()].into_iter().collect()),
            ParallelPath::Files { source: path.into(), target: link.into() },
        ] {
            let message = read_parallel(&corpus).unwrap_err().to_string();
            assert!(message.contains("found the same pipe twice, expected it once"), "{message}");
        }
    }
}
