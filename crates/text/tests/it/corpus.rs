//! Parallel text: all forms of a corpus, and the messages for damaged ones.

use std::fs;
use std::path::PathBuf;

use text::{Pair, ParallelPath, ParallelReader, TextError, read_parallel};

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

    /// The error message of reading `path`, without the folder's path.
    fn error(&self, path: &ParallelPath) -> String {
        let message = read_parallel(path).unwrap_err().to_string();
        message.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn tsv(path: PathBuf) -> ParallelPath {
    ParallelPath::Tsv(path.into())
}

fn files(source: PathBuf, target: PathBuf) -> ParallelPath {
    ParallelPath::Files { source: source.into(), target: target.into() }
}

fn pair(source: &str, target: &str) -> Pair {
    Pair { source: source.into(), target: target.into() }
}

#[test]
fn tab_separated_lines() {
    let folder = Folder::new();
    let path = folder.file("a.tsv", "\u{feff}a cat\teine Katze\r\n b \t\n\tc\u{2028}d");
    let expected = [pair("a cat", "eine Katze"), pair(" b ", ""), pair("", "c\u{2028}d")];
    assert_eq!(read_parallel(&tsv(path)).unwrap(), expected);
}

#[test]
fn two_files_and_shards() {
    let folder = Folder::new();
    let (a, b) = (folder.file("a.en", "1\n\n"), folder.file("b.en", "2"));
    let (c, d) = (folder.file("a.de", "eins\n\n"), folder.file("b.de", "zwei\n"));
    assert_eq!(read_parallel(&files(a.clone(), c.clone())).unwrap(), [pair("1", "eins"), pair("", "")]);
    let shards = ParallelPath::Files {
        source: [a.clone(), b].into_iter().collect(),
        target: [c.clone(), d].into_iter().collect(),
    };
    assert_eq!(read_parallel(&shards).unwrap().len(), 3);
    let uneven = ParallelPath::Files { source: [a.clone(), a].into_iter().collect(), target: c.into() };
    let message = "a.en, a.en and a.de: found 2 source files and 1 target files, expected equally many";
    assert!(folder.error(&uneven).starts_with(message), "{}", folder.error(&uneven));
    let tsv = ParallelPath::Tsv(
        [folder.file("x", "1\t2\n"), folder.file("empty", ""), folder.file("y", "3\t4")].into_iter().collect(),
    );
    assert_eq!(read_parallel(&tsv).unwrap(), [pair("1", "2"), pair("3", "4")]);
}

#[test]
fn damage_is_located() {
    let folder = Folder::new();
    assert_eq!(
        folder.error(&tsv(folder.file("a.tsv", "a\tb\nc d\n"))),
        "a.tsv:2: found 0 tabs, expected exactly one (source TAB target); fix or remove the line"
    );
    assert!(folder.error(&tsv(folder.file("a.tsv", "a\tb\tc"))).starts_with("a.tsv:1: found 2 tabs"));
    assert_eq!(
        folder.error(&tsv(folder.file("a.tsv", b"a\tb\nc\t\xff\n"))),
        "a.tsv:2: found bytes that are not UTF-8, expected UTF-8 text; \
         convert the file, for example with `iconv -t UTF-8`"
    );
    let (long, short) = (folder.file("a.en", "1\n2\n3\n"), folder.file("a.de", "1\n2\n"));
    assert_eq!(
        folder.error(&files(long.clone(), short.clone())),
        "a.en has 3 lines and a.de has 2, expected equally many; line N of one must translate line N of the other"
    );
    assert!(folder.error(&files(short, long)).starts_with("a.de has 2 lines and a.en has 3"));
    assert!(folder.error(&tsv(folder.file("a.tsv", ""))).starts_with("a.tsv: found no text"));
    assert!(folder.error(&tsv(folder.0.path().join("none"))).starts_with("none: cannot be read"));
    assert!(folder.error(&tsv(folder.file("a.xz", b"\xfd7zXZ\x00"))).contains("found xz-compressed"));
}

/// Enough lines for several blocks of any format.
fn long_text() -> String {
    (0..20_000).map(|i| format!("source {i} {}\ttarget {i}\n", i * 7919 % 1013)).collect()
}

#[test]
fn compressed_files_read_as_plain_ones() {
    let (folder, text) = (Folder::new(), long_text());
    let plain = read_parallel(&tsv(folder.file("plain.tsv", &text))).unwrap();
    assert_eq!(plain.len(), 20_000);
    for (name, bytes) in [("a.tsv", gzip(&text)), ("a.tsv.zst", zstandard(&text))] {
        assert_eq!(read_parallel(&tsv(folder.file(name, &bytes))).unwrap(), plain);
        // Concatenated compressed files.
        let twice = read_parallel(&tsv(folder.file("twice", bytes.repeat(2)))).unwrap();
        assert_eq!(twice, [&plain[..], &plain[..]].concat());
    }
    let (source, target) = (folder.file("s.gz", gzip("1\n2\n")), folder.file("t.zst", zstandard("3\n4\n")));
    assert_eq!(read_parallel(&files(source, target)).unwrap(), [pair("1", "3"), pair("2", "4")]);
}

#[test]
fn zstd_with_a_skippable_frame_and_a_long_window() {
    let folder = Folder::new();
    // A skippable frame: magic number, length 4, 4 bytes. `pzstd` writes one before each frame.
    for first in [0x50u8, 0x5F] {
        let skipped = [&[first, 0x2A, 0x4D, 0x18, 4, 0, 0, 0][..], &[1, 2, 3, 4]].concat();
        let frames = [zstandard("1\t2\n3\t"), zstandard("4\n")].map(|frame| [&skipped[..], &frame].concat());
        let read = read_parallel(&tsv(folder.file("a.zst", frames.concat()))).unwrap();
        assert_eq!(read, [pair("1", "2"), pair("3", "4")]);
    }
    // A window of 2^28 bytes, as of `zstd --long=28`, and one uncompressed block of 4 bytes.
    let header: [u8; 9] = [0x28, 0xB5, 0x2F, 0xFD, 0, (28 - 10) << 3, (4 << 3) | 1, 0, 0];
    let long = [&header[..], b"1\t2\n"].concat();
    assert_eq!(read_parallel(&tsv(folder.file("long.zst", long))).unwrap(), [pair("1", "2")]);
}

#[test]
fn truncated_compressed_files_are_rejected() {
    let (folder, text) = (Folder::new(), long_text());
    for (format, bytes) in [("gzip", gzip(&text)), ("zstd", zstandard(&text))] {
        let half = folder.error(&tsv(folder.file("half", &bytes[..bytes.len() / 2])));
        assert!(half.starts_with(&format!("half: the {format} data is truncated or damaged after line ")), "{half}");
        assert!(half.ends_with("; download or compress the file again"), "{half}");
        // The last bytes are a checksum or the end of the last block.
        let nearly = folder.error(&tsv(folder.file("nearly", &bytes[..bytes.len() - 1])));
        assert!(nearly.contains(&format!("the {format} data is truncated")), "{nearly}");
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2..].fill(0x55);
        let message = folder.error(&tsv(folder.file("overwritten", damaged)));
        assert!(message.contains("overwritten"), "{message}");
    }
}

#[test]
fn shards_are_read_in_the_given_order() {
    let folder = Folder::new();
    let shards = [folder.file("x", "1\t2\n3\t4\n"), folder.file("y", "5\t6\n"), folder.file("z", "7\t8\n")];
    let path = ParallelPath::Tsv(shards.into_iter().collect());
    assert_eq!(path.shards().unwrap(), 3);
    let reader = ParallelReader::open(&path.reordered(&[2, 0, 1])).unwrap();
    let expected = [pair("7", "8"), pair("1", "2"), pair("3", "4"), pair("5", "6")];
    assert_eq!(reader.map(Result::unwrap).collect::<Vec<_>>(), expected);
}

#[test]
fn reader_ends_after_an_error() {
    let folder = Folder::new();
    let path = folder.file("a.tsv", "a\tb\nc\nd\te\n");
    let mut reader = ParallelReader::open(&tsv(path)).unwrap();
    assert!(matches!(reader.next(), Some(Ok(_))));
    assert!(matches!(reader.next(), Some(Err(TextError::Columns { line: 2, tabs: 0, .. }))));
    assert!(reader.next().is_none());
}

#[test]
fn paths_in_a_configuration() {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Task {
        train: ParallelPath,
    }
    for text in [
        "train = \"x.tsv\"\n",
        "train = [\"x.tsv\", \"y.tsv\"]\n",
        "[train]\nsource = \"a.en\"\ntarget = \"a.de\"\n",
        "[train]\nsource = [\"a.en\", \"b.en\"]\ntarget = [\"a.de\", \"b.de\"]\n",
    ] {
        let task: Task = toml::from_str(text).unwrap();
        assert_eq!(toml::to_string(&task).unwrap(), text);
    }
    for (text, message) in [
        ("train = 3", "expected the path of a TSV file"),
        ("train = []", "at least one path"),
        ("train = \"\"", "invalid value: string \"\", expected a path"),
        ("train = [\"a\", \"\"]", "none without a name"),
        ("train = { source = \"\", target = \"b\" }", "expected a path"),
        ("train = { source = \"a\" }", "missing field `target`"),
        ("train = { source = \"a\", target = \"b\", c = \"d\" }", "unknown field `c`"),
    ] {
        let error = toml::from_str::<Task>(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
