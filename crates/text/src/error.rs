//! Errors of tokenizers, corpora and metrics.
//!
//! Each message names the file or field, what was found, what was expected, and a remedy.

use std::path::PathBuf;

/// An invalid value in the `[tokenizer]` table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {found}: expected {expected}; {remedy}")]
pub struct FieldError {
    /// The full key, such as `tokenizer.dropout`.
    pub field: &'static str,
    /// The value found.
    pub found: String,
    /// The values expected.
    pub expected: String,
    /// The remedy.
    pub remedy: String,
}

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// An invalid value in the `[tokenizer]` table.
    #[error(transparent)]
    Config(#[from] FieldError),

    /// A file could not be opened or read.
    #[error("{}: cannot be read: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },

    /// A line is not valid UTF-8.
    #[error("{}:{line}: found bytes that are not UTF-8, expected UTF-8 text; convert the file, for example with `iconv -t UTF-8`", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },

    /// A file has another encoding than UTF-8.
    #[error(
        "{}: found {encoding} text, expected UTF-8; convert the file with `iconv -f {encoding} -t UTF-8`",
        path.display()
    )]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The encoding's name.
        encoding: &'static str,
    },

    /// A file is compressed or packed in a way that cannot be read.
    #[error("{}: found {format} data, expected plain text, gzip or zstd; {remedy}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The name of the format.
        format: &'static str,
        /// The remedy.
        remedy: &'static str,
    },

    /// A path leads to a folder.
    #[error("{}: found a folder, expected a file; give the files in it, as a list if there are several", path.display())]
    Folder {
        /// The file.
        path: PathBuf,
    },

    /// A file that can be read only once is given twice.
    #[error(
        "{}: found the same pipe twice, expected it once: it can be read only once; write it to a file",
        path.display()
    )]
    SharedPipe {
        /// The file.
        path: PathBuf,
    },

    /// A compressed file is truncated or damaged.
    #[error(
        "{}: the {format} data is truncated or damaged after line {line}: {source}; download or compress the file again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The format of the compression.
        format: &'static str,
        /// The number of the last complete line.
        line: usize,
        /// The cause.
        source: std::io::Error,
    },

    /// A compressed file is followed by other bytes.
    #[error(
        "{}: found other bytes after the {format} data, which ends with line {line}, expected the end of the file or \
         zero padding; keep the text with `{format} -dc`, or download the file again",
        path.display()
    )]
    TrailingBytes {
        /// The file.
        path: PathBuf,
        /// The name of the format.
        format: &'static str,
        /// The number of the line, from 1.
        line: usize,
    },

    /// A line of a tab-separated corpus does not hold exactly two columns.
    #[error("{}:{line}: found {tabs} tabs, expected exactly one (source TAB target); {remedy}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
        /// Tabs in the line.
        tabs: usize,
        /// The remedy.
        remedy: &'static str,
    },

    /// Lines end in lone carriage returns, as on old Macs.
    #[error(
        "{}:{line}: found lone carriage returns, expected lines that end in a line feed; \
         convert the file with `tr '\\r' '\\n'`",
        path.display()
    )]
    CarriageReturns {
        /// The file.
        path: PathBuf,
        /// The number of the line, from 1.
        line: usize,
    },

    /// Two parallel files have different numbers of lines.
    #[error("{} has {source_lines} lines and {} has {target_lines}, expected equally many; \
             line N of one must translate line N of the other", source_path.display(), target_path.display())]
    UnequalLengths {
        /// The source file.
        source_path: PathBuf,
        /// Lines of the source file.
        source_lines: usize,
        /// The target file.
        target_path: PathBuf,
        /// Lines of the target file.
        target_lines: usize,
    },

    /// Source and target were given as different numbers of files.
    #[error(
        "{origin}: found {source_files} source files and {target_files} target files, expected equally many; \
             list them pairwise, in the same order"
    )]
    UnequalShards {
        /// The corpus.
        origin: String,
        /// Source files.
        source_files: usize,
        /// Target files.
        target_files: usize,
    },

    /// A text is empty.
    #[error("{origin}: found no text, expected at least one line; check that the right file is named")]
    Empty {
        /// The corpus.
        origin: String,
    },

    /// The vocabulary size is below the minimum for this text.
    #[error(
        "tokenizer.vocab_size = {vocab_size}: expected at least {min} ({reason}); \
             set tokenizer.vocab_size to at least {min}"
    )]
    VocabularyTooSmall {
        /// The vocabulary size.
        vocab_size: usize,
        /// The minimum.
        min: usize,
        /// The reason for the minimum.
        reason: String,
    },

    /// The vocabulary size is above the maximum that this text supports.
    #[error(
        "tokenizer.vocab_size = {vocab_size}: expected at most {max}, which this text supports; set tokenizer.vocab_size to at most {max}"
    )]
    VocabularyTooLarge {
        /// The vocabulary size.
        vocab_size: usize,
        /// The maximum.
        max: usize,
    },

    /// The training sample is too large to count.
    #[error(
        "the tokenizer's training sample holds {found} characters, expected fewer than {limit}; \
             lower tokenizer.sample_lines"
    )]
    SampleTooLarge {
        /// Characters found.
        found: u64,
        /// The maximum.
        limit: u64,
    },

    /// The `tokenizers` crate failed to train a vocabulary.
    #[error("training the {kind} vocabulary failed: {message}; try another tokenizer.vocab_size or tokenizer.kind")]
    Training {
        /// The kind of vocabulary.
        kind: &'static str,
        /// The reason, from the `tokenizers` crate.
        message: String,
    },

    /// A tokenizer file is damaged or has an unsupported part.
    #[error("{}: found {found}, expected {expected}; use the file that training wrote", path.display())]
    TokenizerFile {
        /// The file.
        path: PathBuf,
        /// The contents found.
        found: String,
        /// The contents expected.
        expected: String,
    },

    /// An id lies outside the vocabulary.
    #[error(
        "found id {id}, expected one below the vocabulary size {vocab_size}; \
             decode with the tokenizer of the same run folder"
    )]
    UnknownId {
        /// The id.
        id: u32,
        /// The vocabulary size.
        vocab_size: usize,
    },

    /// The `tokenizers` crate rejected a text.
    #[error("cannot tokenize {text:?}: {message}; remove the line or simplify it")]
    Tokenize {
        /// The text.
        text: String,
        /// The reason, from the `tokenizers` crate.
        message: String,
    },

    /// Hypotheses and references do not pair up.
    #[error(
        "found {hypotheses} hypotheses and {references} references, expected equally many; \
             one reference belongs to each hypothesis, in the same order"
    )]
    UnequalScored {
        /// The number of hypotheses.
        hypotheses: usize,
        /// The number of references.
        references: usize,
    },
}
