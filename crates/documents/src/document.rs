//! Documents as pieces: sentences to translate, and everything between them, which is kept.

use crate::inline::Tag;
use crate::sentences::Segmenter;
use crate::wrap::wrap;

/// A document as sentences and the text between them.
///
/// ```
/// use documents::{Document, Segmenter};
///
/// let document = Document::from_text("One.  Two!\n\n- Three", &Segmenter::new(Some("en")));
/// let sentences: Vec<&str> = document.sentences().collect();
/// assert_eq!(sentences, ["One.", "Two!", "- Three"]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    pub(crate) pieces: Vec<Piece>,
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// Text that stays as it is.
    Kept(String),
    Sentence(Sentence),
    /// Pieces whose text is wrapped into this many lines, as a subtitle is.
    Lines {
        pieces: Vec<Piece>,
        count: usize,
        line_end: &'static str,
    },
}

/// A sentence with the tags inside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sentence {
    /// The text without tags and entities, on one line.
    pub text: String,
    /// The tags, in order.
    pub tags: Vec<Tag>,
    /// How its translation is written.
    pub escape: Escape,
}

/// How text is written in a format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As it is.
    #[default]
    None,
    /// With entities for `&`, `<`, `>` and the no-break space.
    Html,
}

impl Escape {
    /// Writes a text in the format.
    pub fn write(self, text: &str) -> String {
        match self {
            Self::None => text.to_string(),
            Self::Html => {
                let mut written = String::with_capacity(text.len());
                for character in text.chars() {
                    match character {
                        '&' => written.push_str("&amp;"),
                        '<' => written.push_str("&lt;"),
                        '>' => written.push_str("&gt;"),
                        '\u{a0}' => written.push_str("&nbsp;"),
                        other => written.push(other),
                    }
                }
                written
            }
        }
    }
}

impl Document {
    /// Plain text. Each line is a paragraph, so that no sentence crosses a line break.
    pub fn from_text(text: &str, segmenter: &Segmenter) -> Self {
        let mut pieces = Vec::new();
        let mut kept = 0;
        for range in segmenter.sentences(text) {
            push_kept(&mut pieces, &text[kept..range.start]);
            pieces.push(Piece::Sentence(Sentence { text: text[range.clone()].to_string(), ..Sentence::default() }));
            kept = range.end;
        }
        push_kept(&mut pieces, &text[kept..]);
        Self { pieces }
    }

    /// A text as a single sentence, with the white space around it.
    pub fn from_sentence(text: &str) -> Self {
        Self { pieces: vec![Piece::Sentence(Sentence { text: text.to_string(), ..Sentence::default() })] }
    }

    /// The sentences, in order.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        let mut sentences = Vec::new();
        visit(&self.pieces, &mut |sentence| sentences.push(&sentence.text[..]));
        sentences.into_iter()
    }

    /// The document with every sentence replaced by the next text that `next` returns.
    pub(crate) fn render(&self, mut next: impl FnMut(&Sentence) -> String) -> String {
        render(&self.pieces, &mut next)
    }

    /// The same document with sentences replaced by shorter ones and the text between these.
    pub(crate) fn map_sentences(self, mut split: impl FnMut(Sentence) -> Vec<Piece>) -> Self {
        Self { pieces: map(self.pieces, &mut split) }
    }
}

/// Appends text that stays as it is.
pub(crate) fn push_kept(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Kept(kept)) => kept.push_str(text),
        Some(Piece::Sentence(_) | Piece::Lines { .. }) | None => pieces.push(Piece::Kept(text.to_string())),
    }
}

fn visit<'a>(pieces: &'a [Piece], on_sentence: &mut impl FnMut(&'a Sentence)) {
    for piece in pieces {
        match piece {
            Piece::Kept(_) => {}
            Piece::Sentence(sentence) => on_sentence(sentence),
            Piece::Lines { pieces, .. } => visit(pieces, on_sentence),
        }
    }
}

fn render(pieces: &[Piece], next: &mut impl FnMut(&Sentence) -> String) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Kept(kept) => text.push_str(kept),
            Piece::Sentence(sentence) => text.push_str(&next(sentence)),
            Piece::Lines { pieces, count, line_end } => {
                text.push_str(&wrap(&render(pieces, next), *count, line_end));
            }
        }
    }
    text
}

fn map(pieces: Vec<Piece>, split: &mut impl FnMut(Sentence) -> Vec<Piece>) -> Vec<Piece> {
    let mut mapped = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Kept(text) => mapped.push(Piece::Kept(text)),
            Piece::Sentence(sentence) => mapped.extend(split(sentence)),
            Piece::Lines { pieces, count, line_end } => {
                mapped.push(Piece::Lines { pieces: map(pieces, split), count, line_end });
            }
        }
    }
    mapped
}
