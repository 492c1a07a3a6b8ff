//! A document with its sentences as a model takes them.

use std::ops::Range;

use decode::{DecodeError, EncodedInput, Input, Settings, Translation, TranslationResult, Translator};
use runs::DecodingConfig;
use text::Tokenizer;

use crate::alignment::Places;
use crate::clauses::clauses;
use crate::document::{Document, Piece, Sentence};
use crate::inline;
use crate::locate::{Token, locate};

/// A document whose sentences are tokenised. Sentences longer than the model are cut at clauses.
#[derive(Clone, Debug)]
pub struct EncodedDocument {
    document: Document,
    inputs: Vec<EncodedInput>,
    /// The bytes of each input's tokens in its sentence, in the order of the network; none without an alignment.
    places: Vec<Vec<Range<usize>>>,
}

impl EncodedDocument {
    /// Tokenises the sentences of a document. The first sentence is line `first_line` of the input.
    ///
    /// A sentence with more tokens than the model has positions is cut at clauses. A clause that is too long itself is
    /// cropped, skipped or rejected by the translator's settings.
    ///
    /// # Errors
    /// A clause that is too long, or a text that the tokenizer rejects, unless the settings crop or skip it.
    pub fn new(document: Document, translator: &Translator, first_line: usize) -> Result<Self, DecodeError> {
        let limit = translator.model().config.max_length;
        let tokenizer = &translator.model().source_tokenizer;
        let (decoding, frame) = (&translator.settings().decoding, &translator.frames().source);
        let around = frame.before.len() + frame.after.len();
        // A text that the tokenizer rejects is not cut; its error appears below.
        let fits = |text: &str| {
            let ids = tokenizer.encode_text(&decoding.prefixed(text));
            ids.map_or(true, |ids| ids.len() + around <= limit)
        };
        let document = document.map_sentences(|sentence| match fits(&sentence.text) {
            true => vec![Piece::Sentence(sentence)],
            false => sentence.cut(&clauses(&sentence.text, fits)),
        });
        let inputs = document.sentences().zip(first_line..);
        let inputs =
            inputs.map(|(text, line)| translator.encode(&Input { text, line })).collect::<Result<Vec<_>, _>>()?;
        let places = match translator.settings().alignment {
            Some(_) => {
                let text = |input: &EncodedInput| frame.before.len()..input.ids.len().saturating_sub(frame.after.len());
                let each = document.sentences().zip(&inputs);
                each.map(|(sentence, input)| source_places(sentence, &input.ids, text(input), decoding, tokenizer))
                    .collect()
            }
            None => vec![Vec::new(); inputs.len()],
        };
        Ok(Self { document, inputs, places })
    }

    /// The sentences, in order.
    pub fn inputs(&self) -> &[EncodedInput] {
        &self.inputs
    }

    /// The number of sentences.
    pub fn len(&self) -> usize {
        self.inputs.len()
    }

    /// Whether there is no sentence.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// The settings for documents of a format: with an alignment, if it has tags inside sentences.
    pub fn settings(settings: Settings, has_tags: bool) -> Settings {
        let alignment = settings.alignment.or(has_tags.then(Default::default));
        Settings { alignment, ..settings }
    }

    /// The document with the translations of its sentences, the `rank`-th best of each from 0, or the last it has. The
    /// tokenizer is that of the translations.
    ///
    /// # Panics
    /// Fewer results than sentences.
    pub fn write(&self, results: &[TranslationResult], rank: usize, tokenizer: &Tokenizer) -> String {
        let mut sentences = results.iter().zip(&self.places);
        self.document.render(|sentence| {
            let (result, places) = sentences.next().expect("a result for each sentence");
            let translation = result.translations().nth(rank).or(result.alternatives.last()).unwrap_or(&result.best);
            sentence.write(translation, places, tokenizer)
        })
    }
}

/// The bytes of a source's tokens in its sentence, in the order of the network. `text` has the tokens that are neither
/// before nor after the text; those of a prefix have no bytes either.
fn source_places(
    sentence: &str,
    ids: &[u32],
    text: Range<usize>,
    decoding: &DecodingConfig,
    tokenizer: &Tokenizer,
) -> Vec<Range<usize>> {
    let token = |(at, &id): (usize, &u32)| match text.contains(&at) {
        true => Token::new(tokenizer.token(id).unwrap_or_default(), tokenizer),
        false => Token::around(),
    };
    let tokens = tokenizer.direction().ordered(ids.iter().enumerate().map(token).collect());
    let prefixed = decoding.prefixed(sentence);
    let prefix = prefixed.len() - sentence.len();
    let located = locate(&prefixed, &tokens).into_iter();
    let in_sentence = located.map(|range| range.start.saturating_sub(prefix)..range.end.saturating_sub(prefix));
    tokenizer.direction().ordered(in_sentence.collect())
}

impl Sentence {
    /// The translation of the sentence with its tags.
    fn write(&self, translation: &Translation, source: &[Range<usize>], tokenizer: &Tokenizer) -> String {
        let text = translation.text.trim();
        let places = match &translation.alignment {
            Some(pairs) if !self.tags.is_empty() => {
                let tokens = translation.tokens.iter().map(|label| Token::new(label, tokenizer)).collect();
                let target = locate(text, &tokenizer.direction().ordered(tokens));
                Places::new(source.to_vec(), tokenizer.direction().ordered(target), pairs)
            }
            Some(_) | None => Places::default(),
        };
        inline::write(&self.tags, self.text.len(), text, &places, self.escape)
    }

    /// Cuts the sentence into these parts, with the white space between them kept.
    fn cut(&self, parts: &[&str]) -> Vec<Piece> {
        let mut tags = self.tags.iter().peekable();
        let mut start = 0;
        let mut pieces = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let end = start + part.len();
            let is_last = index + 1 == parts.len();
            let text = part.trim_end();
            let mut inside = Vec::new();
            while let Some(tag) = tags.next_if(|tag| tag.at < end || is_last) {
                inside.push(inline::Tag { at: (tag.at - start).min(text.len()), ..tag.clone() });
            }
            pieces.push(Piece::Sentence(Self { text: text.to_string(), tags: inside, escape: self.escape }));
            crate::document::push_kept(&mut pieces, &self.escape.write(&part[text.len()..]));
            start = end;
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use text::{Direction, TokenizerConfig, TokenizerKind};

    use super::*;

    #[test]
    fn a_prefix_and_unknown_words_have_places_of_their_own() {
        for direction in Direction::ALL {
            let config = TokenizerConfig { kind: TokenizerKind::Whitespace, direction, ..TokenizerConfig::default() };
            let tokenizer = Tokenizer::train(&config, ["9 1 2 3"].iter()).expect("a vocabulary");
            let decoding = DecodingConfig { source_prefix: "9 99 ".to_string(), ..DecodingConfig::default() };
            let sentence = "1 unknown 2";
            let mut ids = tokenizer.encode(&decoding.prefixed(sentence)).expect("ids");
            ids.push(text::END_ID);
            let text = 0..ids.len() - 1;
            let places = source_places(sentence, &ids, text.clone(), &decoding, &tokenizer);
            let mut words: Vec<&str> = places[text].iter().map(|range| &sentence[range.clone()]).collect();
            words = direction.ordered(words);
            assert_eq!(words, ["", "", "1", "unknown", "2"], "{direction:?}");
            assert!(places[ids.len() - 1].is_empty());
        }
    }
}
