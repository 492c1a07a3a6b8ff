//! Options of documents.

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use documents::DocumentFormat;

use super::UsageError;

/// Whether the input is documents, and their format.
#[derive(Args)]
pub struct DocumentOptions {
    // clap waives what an option `requires` if that conflicts with a given option, so each option has the same conflicts.
    /// Translate texts of several sentences: split each text, or standard input as a whole, into sentences and keep the white
    /// space between them
    #[arg(long, conflicts_with_all = ["format", "scores", "n_best", "alignment"])]
    documents: bool,
    /// Format of the documents; tags, times and numbers stay as they are
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        requires = "documents",
        conflicts_with_all = ["format", "scores", "n_best", "alignment"],
        default_value = "text"
    )]
    document_format: Format,
    /// Language of the documents, such as en, whose abbreviations end no sentence [default: those of all known languages]
    #[arg(
        long,
        value_name = "CODE",
        requires = "documents",
        conflicts_with_all = ["format", "scores", "n_best", "alignment"]
    )]
    pub language: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Html,
    Srt,
    Vtt,
}

impl DocumentOptions {
    /// Whether the input is documents.
    pub fn are_given(&self) -> bool {
        self.documents
    }

    /// The format of the documents; none if each text is a sentence.
    ///
    /// # Errors
    /// An empty language.
    pub fn format(&self) -> Result<Option<DocumentFormat>, UsageError> {
        if self.language.as_deref() == Some("") {
            let message =
                "--language: found an empty text, expected a code such as en; omit the option for any language";
            return Err(UsageError::new(ErrorKind::InvalidValue, message));
        }
        Ok(self.documents.then_some(match self.document_format {
            Format::Text => DocumentFormat::Text,
            Format::Html => DocumentFormat::Html,
            Format::Srt => DocumentFormat::Srt,
            Format::Vtt => DocumentFormat::Vtt,
        }))
    }
}
