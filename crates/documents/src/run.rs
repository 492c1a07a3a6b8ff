//! A run of text and inline tags between two blocks, as sentences.

use std::ops::Range;

use crate::document::{Escape, Piece, Sentence, push_kept};
use crate::inline::{Tag, TagKind};
use crate::sentences::Segmenter;

/// How the text between sentences is written.
#[derive(Clone, Copy)]
pub(crate) struct Writer {
    pub escape: Escape,
    /// Whether lines end with CR and LF, where the text has LF alone.
    pub ends_with_cr: bool,
}

impl Writer {
    fn write(self, text: &str) -> String {
        let written = self.escape.write(text);
        if self.ends_with_cr { written.replace('\n', "\r\n") } else { written }
    }
}

/// Splits a run into sentences with their tags, and what is between them. `line` is `text` without line breaks.
pub(crate) fn add_run(
    pieces: &mut Vec<Piece>,
    text: &str,
    line: &str,
    tags: Vec<Tag>,
    writer: Writer,
    segmenter: &Segmenter,
) {
    let mut tags = tags.into_iter().peekable();
    let mut kept = 0;
    for sentence in segmenter.sentences(line).map(Some).chain([None]) {
        let start = sentence.as_ref().map_or(text.len(), |range| range.start);
        while let Some(tag) = tags.next_if(|tag| tag.at < start || sentence.is_none()) {
            push_kept(pieces, &writer.write(&text[kept..tag.at]));
            push_kept(pieces, &tag.markup);
            kept = tag.at;
        }
        push_kept(pieces, &writer.write(&text[kept..start]));
        let Some(Range { end, .. }) = sentence else { break };
        let mut inside = Vec::new();
        // A tag at the end belongs to the sentence, unless an element begins there.
        while let Some(mut tag) =
            tags.next_if(|tag| tag.at < end || tag.at == end && !matches!(tag.kind, TagKind::Open(_)))
        {
            tag.at -= start;
            inside.push(tag);
        }
        pieces.push(Piece::Sentence(Sentence {
            text: line[start..end].to_string(),
            tags: inside,
            escape: writer.escape,
        }));
        kept = end;
    }
}
