//! Errors of tokenizers, corpora and metrics.
//!
//! Each message names the file or field, what was found, what was expected, and a remedy.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages document the fields
pub enum TextError {
    /// An invalid value in the `[tokenizer]` table; `field` is the full key, such as `tokenizer.dropout`.
    #[error("{field} = {found}: expected {expected}; {remedy}")]
    Config { field: &'static str, found: String, expected: String, remedy: String },

    /// A file could not be opened or read.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Read { path: PathBuf, source: std::io::Error },

    /// A line is not valid UTF-8.
    #[error("{}:{line}: found bytes that are not UTF-8, expected UTF-8 text; convert the file, for example with `iconv -t UTF-8`", path.display())]
    NotUtf8 { path: PathBuf, line: usize },

    /// A file is compressed in a way that cannot be read.
    #[error("{}: found {format}-compressed data, expected plain text, gzip or zstd; decompress the file first", path.display())]
    Compressed { path: PathBuf, format: &'static str },

    /// A compressed file is truncated or damaged.
    #[error(
        "{}: the {format} data is truncated or damaged after line {line}: {source}; download or compress the file again",
        path.display()
    )]
    Damaged { path: PathBuf, format: &'static str, line: usize, source: std::io::Error },

    /// A line of a tab-separated corpus does not hold exactly two columns.
    #[error("{}:{line}: found {tabs} tabs, expected exactly one (source TAB target); fix or remove the line", path.display())]
    Columns { path: PathBuf, line: usize, tabs: usize },

    /// Two parallel files have different numbers of lines.
    #[error("{} has {source_lines} lines and {} has {target_lines}, expected equally many; \
             line N of one must translate line N of the other", source_path.display(), target_path.display())]
    UnequalLengths { source_path: PathBuf, source_lines: usize, target_path: PathBuf, target_lines: usize },

    /// Source and target were given as different numbers of files.
    #[error(
        "{origin}: found {source_files} source files and {target_files} target files, expected equally many; \
             list them pairwise, in the same order"
    )]
    UnequalShards { origin: String, source_files: usize, target_files: usize },

    /// A text is empty.
    #[error("{origin}: found no text, expected at least one line; check that the right file is named")]
    Empty { origin: String },

    /// The vocabulary size is below the minimum for this text.
    #[error(
        "tokenizer.vocab_size = {vocab_size}: expected at least {min} ({reason}); \
             set tokenizer.vocab_size to at least {min}"
    )]
    VocabularyTooSmall { vocab_size: usize, min: usize, reason: String },

    /// The vocabulary size is above the maximum that this text supports.
    #[error(
        "tokenizer.vocab_size = {vocab_size}: expected at most {max}, which this text supports; set tokenizer.vocab_size to at most {max}"
    )]
    VocabularyTooLarge { vocab_size: usize, max: usize },

    /// The training sample is too large to count.
    #[error(
        "the tokenizer's training sample holds {found} characters, expected fewer than {limit}; \
             lower tokenizer.sample_lines"
    )]
    SampleTooLarge { found: u64, limit: u64 },

    /// The `tokenizers` crate failed to train a vocabulary.
    #[error("training the {kind} vocabulary failed: {message}; try another tokenizer.vocab_size or tokenizer.kind")]
    Training { kind: &'static str, message: String },

    /// A tokenizer file is damaged or has an unsupported part.
    #[error("{}: found {found}, expected {expected}; use the file that training wrote", path.display())]
    TokenizerFile { path: PathBuf, found: String, expected: String },

    /// An id lies outside the vocabulary.
    #[error(
        "found id {id}, expected one below the vocabulary size {vocab_size}; \
             decode with the tokenizer of the same run folder"
    )]
    UnknownId { id: u32, vocab_size: usize },

    /// The `tokenizers` crate rejected a text.
    #[error("cannot tokenize {text:?}: {message}; remove the line or simplify it")]
    Tokenize { text: String, message: String },

    /// Hypotheses and references do not pair up.
    #[error(
        "found {hypotheses} hypotheses and {references} references, expected equally many; \
             one reference belongs to each hypothesis, in the same order"
    )]
    UnequalScored { hypotheses: usize, references: usize },
}
