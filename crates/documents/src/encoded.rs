//! A document with its sentences as a model takes them.

use decode::{DecodeError, EncodedInput, Input, Settings, Translation, TranslationResult, Translator};
use text::Direction;

use crate::alignment::{Places, Tokens};
use crate::clauses::clauses;
use crate::document::{Document, Piece, Sentence};
use crate::inline;

/// A document whose sentences are tokenised. Sentences longer than the model are cut at clauses.
#[derive(Clone, Debug)]
pub struct EncodedDocument {
    document: Document,
    inputs: Vec<EncodedInput>,
    /// The source tokens of each input.
    tokens: Vec<Vec<String>>,
    /// The order of the tokens of source and target.
    directions: [Direction; 2],
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
        let tokens = inputs.iter().map(|input| match translator.settings().alignment {
            // The tokens around the text have no place in it.
            Some(_) => {
                let text = frame.before.len()..input.ids.len().saturating_sub(frame.after.len());
                let label = |(at, &id): (usize, &u32)| match text.contains(&at) {
                    true => tokenizer.token(id).unwrap_or_default().to_string(),
                    false => String::new(),
                };
                input.ids.iter().enumerate().map(label).collect()
            }
            None => Vec::new(),
        });
        let directions = [tokenizer.direction(), translator.model().target_tokenizer.direction()];
        Ok(Self { tokens: tokens.collect(), document, inputs, directions })
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

    /// The document with the translations of its sentences, the `rank`-th best of each from 0, or the last it has.
    ///
    /// # Panics
    /// Fewer results than sentences.
    pub fn write(&self, results: &[TranslationResult], rank: usize) -> String {
        let mut sentences = results.iter().zip(&self.tokens);
        self.document.render(|sentence| {
            let (result, tokens) = sentences.next().expect("a result for each sentence");
            let translation = result.translations().nth(rank).or(result.alternatives.last()).unwrap_or(&result.best);
            sentence.write(translation, tokens, self.directions)
        })
    }
}

impl Sentence {
    /// The translation of the sentence with its tags.
    fn write(&self, translation: &Translation, tokens: &[String], [source, target]: [Direction; 2]) -> String {
        let text = translation.text.trim();
        let places = match &translation.alignment {
            Some(pairs) if !self.tags.is_empty() => {
                let source = Tokens { text: &self.text, labels: tokens, direction: source };
                let target = Tokens { text, labels: &translation.tokens, direction: target };
                Places::new(source, target, pairs)
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
