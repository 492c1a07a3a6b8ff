//! Documents as sentences to translate, and back.
//!
//! ```text
//! text, HTML, subtitles ─▶ Document ─▶ encode ─▶ sentences ─▶ Translator ─▶ write ─▶ the same document
//!                          sentences     cuts those that are                tags by alignment,
//!                          and the rest  too long at clauses                white space as it was
//! ```
//!
//! A model has seen single sentences. [`Segmenter`] finds their borders by Unicode's rules (UAX #29) and the abbreviations of
//! the language, [`Document`] keeps everything between them, and [`EncodedDocument`] puts the translations in their place.

mod alignment;
mod clauses;
mod cue_tags;
mod document;
mod encoded;
mod format;
mod html;
mod html_elements;
mod inline;
mod language;
mod locate;
mod open_elements;
mod run;
mod sentences;
mod shortened;
mod subtitles;
mod wrap;

pub use clauses::clauses;
pub use document::Document;
pub use encoded::EncodedDocument;
pub use format::DocumentFormat;
pub use sentences::Segmenter;
