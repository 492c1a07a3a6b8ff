//! Texts to decode and the references they are compared with.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use text::metrics::{Bleu, BleuTokenization};
use text::{ParallelPath, TextError, read_parallel};

/// A source file, its reference file, and how BLEU compares them.
#[derive(Args)]
pub struct ComparisonOptions {
    /// Source texts, one per line
    #[arg(long, value_name = "FILE")]
    pub source: PathBuf,
    /// Reference translations, line by line
    #[arg(long, value_name = "FILE")]
    pub reference: PathBuf,
    /// Tokenisation of BLEU: 13a for plain text, none for text that is already tokenised
    #[arg(long, value_enum, default_value = "13a")]
    pub tokenize: Tokenize,
    /// Compare lower-cased text
    #[arg(long)]
    pub lowercase: bool,
}

/// Tokenisation of BLEU.
#[derive(Clone, Copy, ValueEnum)]
pub enum Tokenize {
    #[value(name = "13a")]
    V13a,
    None,
}

impl ComparisonOptions {
    /// Reads sources and references, line by line.
    ///
    /// # Errors
    /// A file that cannot be read, or files with different numbers of lines.
    pub fn read(&self) -> Result<(Vec<String>, Vec<String>), TextError> {
        let Self { source, reference, .. } = self;
        let files = ParallelPath::Files { source: source.clone().into(), target: reference.clone().into() };
        Ok(read_parallel(&files)?.into_iter().map(|pair| (pair.source, pair.target)).unzip())
    }

    /// The files that [`read`](Self::read) reads.
    pub fn files(&self) -> [&Path; 2] {
        [&self.source, &self.reference]
    }

    /// BLEU with these options.
    pub fn bleu(&self) -> Bleu {
        let tokenization = match self.tokenize {
            Tokenize::V13a => BleuTokenization::V13a,
            Tokenize::None => BleuTokenization::None,
        };
        Bleu { lowercase: self.lowercase, tokenization, effective_order: false }
    }
}
