//! Parallel text: sentences and their translations, read from files pair by pair.
//!
//! A corpus has lines of `source TAB target`, or two files where line N of one translates line N of the other. Either
//! may have several files, read in order. Files are plain, gzip or zstd, whatever their names. Lines end with `\n`
//! or `\r\n`; a byte order mark at the start of a line or column is skipped. A blank line is a pair of empty sides.

mod format;
mod gzip;
mod lines;
mod path;
mod pipe;

use std::path::PathBuf;

use lines::{BYTE_ORDER_MARK, Lines};
pub use path::{ParallelPath, Shards};
pub use pipe::reject_shared_pipes;

use crate::{TextError, is_blank};

/// A sentence and its translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The sentence.
    pub source: String,
    /// Its translation.
    pub target: String,
}

/// Reads a whole corpus into memory.
///
/// # Errors
/// A file that cannot be read, or a corpus without pairs.
pub fn read_parallel(path: &ParallelPath) -> Result<Vec<Pair>, TextError> {
    let pairs = ParallelReader::open(path)?.collect::<Result<Vec<Pair>, TextError>>()?;
    if pairs.is_empty() {
        return Err(TextError::Empty { origin: path.to_string() });
    }
    Ok(pairs)
}

/// A reader of pairs. After an error it yields nothing more.
pub struct ParallelReader {
    /// Files not opened yet, in reverse order.
    waiting: Vec<Shard<PathBuf>>,
    current: Option<Shard<Lines>>,
    /// Files, or pairs of files, opened so far.
    opened: usize,
}

/// One part of a corpus: a file of both languages, or a file for each.
enum Shard<F> {
    Tsv(F),
    Files { source: F, target: F },
}

impl ParallelReader {
    /// Opens a corpus: its first files at once, the others when they are reached.
    ///
    /// # Errors
    /// A first file that cannot be opened, different numbers of source and target files, or a pipe given twice.
    pub fn open(path: &ParallelPath) -> Result<Self, TextError> {
        path.shards()?;
        reject_shared_pipes(&[path])?;
        let mut waiting: Vec<Shard<PathBuf>> = match path {
            ParallelPath::Tsv(shards) => shards.paths().iter().cloned().map(Shard::Tsv).collect(),
            ParallelPath::Files { source, target } => {
                let pairs = source.paths().iter().cloned().zip(target.paths().iter().cloned());
                pairs.map(|(source, target)| Shard::Files { source, target }).collect()
            }
        };
        waiting.reverse();
        let mut reader = Self { waiting, current: None, opened: 0 };
        reader.open_next()?;
        Ok(reader)
    }

    /// The number of the current file, or pair of files, from 1.
    pub fn file_number(&self) -> usize {
        self.opened
    }

    /// Opens the next files, if there are more.
    fn open_next(&mut self) -> Result<(), TextError> {
        self.opened += 1;
        self.current = match self.waiting.pop() {
            None => None,
            Some(Shard::Tsv(path)) => Some(Shard::Tsv(Lines::open(path)?)),
            Some(Shard::Files { source, target }) => {
                Some(Shard::Files { source: Lines::open(source)?, target: Lines::open(target)? })
            }
        };
        Ok(())
    }

    /// Returns the next pair, or `None` at the end of the last file.
    fn next_pair(&mut self) -> Result<Option<Pair>, TextError> {
        loop {
            let pair = match &mut self.current {
                None => return Ok(None),
                Some(Shard::Tsv(lines)) => tsv_pair(lines)?,
                Some(Shard::Files { source, target }) => file_pair(source, target)?,
            };
            if pair.is_some() {
                return Ok(pair);
            }
            self.open_next()?;
        }
    }
}

impl Iterator for ParallelReader {
    type Item = Result<Pair, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.next_pair();
        if pair.is_err() {
            self.current = None;
            self.waiting.clear();
        }
        pair.transpose()
    }
}

/// Reads the pair on the next line of a tab-separated file.
fn tsv_pair(lines: &mut Lines) -> Result<Option<Pair>, TextError> {
    let Some(line) = lines.next_line()? else {
        return Ok(None);
    };
    if let Some((source, target)) = line.split_once('\t')
        && !target.contains('\t')
    {
        // `paste` moves the mark of its second file here.
        let target = target.trim_start_matches(BYTE_ORDER_MARK);
        return Ok(Some(Pair { source: source.to_owned(), target: target.to_owned() }));
    }
    if is_blank(line) {
        return Ok(Some(Pair { source: String::new(), target: String::new() }));
    }
    let (tabs, returns, remedy) = (line.matches('\t').count(), line.contains('\r'), columns_remedy(line));
    match returns {
        true => Err(lines.carriage_returns()),
        false => Err(TextError::Columns { tabs, path: lines.path().to_owned(), line: lines.number(), remedy }),
    }
}

/// The remedy for a line without exactly one tab, by its looks.
fn columns_remedy(line: &str) -> &'static str {
    match line {
        _ if line.contains('\t') => "keep the first two columns with `cut -f1,2`, or fix the line",
        _ if line.contains(" ||| ") => "replace ` ||| ` by a tab, or fix or remove the line",
        _ if line.starts_with('"') || line.contains("\",\"") => {
            "convert CSV to two tab-separated columns without quotes, or fix or remove the line"
        }
        _ => "fix or remove the line",
    }
}

/// Reads the pair on the next line of two files.
fn file_pair(source: &mut Lines, target: &mut Lines) -> Result<Option<Pair>, TextError> {
    match (source.next_line()?, target.next_line()?) {
        (None, None) => return Ok(None),
        (Some(source), Some(target)) => {
            return Ok(Some(Pair { source: source.to_owned(), target: target.to_owned() }));
        }
        _ => {}
    }
    // Read the longer file to its end, to name both lengths.
    while source.next_line()?.is_some() {}
    while target.next_line()?.is_some() {}
    Err(TextError::UnequalLengths {
        source_path: source.path().to_owned(),
        source_lines: source.number(),
        target_path: target.path().to_owned(),
        target_lines: target.number(),
    })
}
