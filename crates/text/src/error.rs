//! What can go wrong with text. Each message says where, what was found, what was expected, and what to do.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A configuration field holds a value that cannot be used.
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

    /// A compressed file ends too early or holds something else.
    #[error(
        "{}: the {format} data break off or are damaged after line {line}: {source}; fetch or compress the file anew",
        path.display()
    )]
    Damaged { path: PathBuf, format: &'static str, line: usize, source: std::io::Error },

    /// A line of a tab-separated corpus does not hold exactly two columns.
    #[error("{}:{line}: found {tabs} tabs, expected exactly one (source TAB target); fix or remove the line", path.display())]
    Columns { path: PathBuf, line: usize, tabs: usize },

    /// Two files that should run in parallel have different numbers of lines.
    #[error("{} has {source_lines} lines and {} has {target_lines}, expected as many in both; \
             line N of one must translate line N of the other", source_path.display(), target_path.display())]
    UnequalLengths { source_path: PathBuf, source_lines: usize, target_path: PathBuf, target_lines: usize },

    /// Source and target were given as different numbers of files.
    #[error(
        "{origin}: found {source_files} source files and {target_files} target files, expected as many of each; \
             list them pairwise, in the same order"
    )]
    UnequalShards { origin: String, source_files: usize, target_files: usize },

    /// There is no text where some is needed.
    #[error("{origin}: found no text, expected at least one line; check that the right file is named")]
    Empty { origin: String },

    /// The vocabulary cannot hold what every vocabulary of this text must hold.
    #[error(
        "tokenizer.vocab_size = {asked}: expected at least {least} ({reason}); \
             set tokenizer.vocab_size to at least {least}"
    )]
    VocabularyTooSmall { asked: usize, least: usize, reason: String },

    /// The text is too small or too uniform for a vocabulary of this size.
    #[error("vocabulary of {asked} asked, text supports only {most}; set tokenizer.vocab_size to at most {most}")]
    VocabularyTooLarge { asked: usize, most: usize },

    /// The sample for training a vocabulary is too large to count.
    #[error(
        "the tokenizer's training sample holds {found} characters, expected fewer than {limit}; \
             lower tokenizer.sample_lines"
    )]
    SampleTooLarge { found: u64, limit: u64 },

    /// Training a vocabulary failed inside the `tokenizers` crate.
    #[error("training the {kind} vocabulary failed: {message}; try another tokenizer.vocab_size or tokenizer.kind")]
    Training { kind: &'static str, message: String },

    /// A tokenizer file is damaged or of a form this program does not use.
    #[error("{}: found {found}, expected {expected}; use the file that training wrote", path.display())]
    TokenizerFile { path: PathBuf, found: String, expected: String },

    /// An id lies outside the vocabulary.
    #[error(
        "found id {id}, expected one below the vocabulary size {vocab_size}; \
             decode with the tokenizer of the same run folder"
    )]
    UnknownId { id: u32, vocab_size: usize },

    /// The `tokenizers` crate refused a text.
    #[error("cannot tokenize {text:?}: {message}; remove the line or simplify it")]
    Tokenize { text: String, message: String },

    /// Hypotheses and references do not pair up.
    #[error(
        "found {hypotheses} hypotheses and {references} references, expected as many of each; \
             one reference belongs to each hypothesis, in the same order"
    )]
    UnequalScored { hypotheses: usize, references: usize },
}
