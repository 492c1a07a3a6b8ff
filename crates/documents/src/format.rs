//! Formats of documents.

use crate::document::Document;
use crate::sentences::Segmenter;

/// The format of a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DocumentFormat {
    /// Plain text; each line is a paragraph.
    #[default]
    Text,
    /// HTML, a document or a fragment.
    Html,
    /// SubRip subtitles.
    Srt,
    /// WebVTT subtitles.
    Vtt,
}

impl DocumentFormat {
    /// Parses a document.
    pub fn parse(self, text: &str, segmenter: &Segmenter) -> Document {
        match self {
            Self::Text => Document::from_text(text, segmenter),
            Self::Html => Document::from_html(text, segmenter),
            Self::Srt => Document::from_srt(text, segmenter),
            Self::Vtt => Document::from_vtt(text, segmenter),
        }
    }

    /// Whether a document may have tags inside sentences, which the alignment places.
    pub fn has_tags(self) -> bool {
        match self {
            Self::Text => false,
            Self::Html | Self::Srt | Self::Vtt => true,
        }
    }
}
