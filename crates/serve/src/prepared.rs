//! The texts of a request as sentences to decode, and its response.

use std::sync::Arc;

use decode::{EncodedInput, Settings, TextProblem, TranslationResult, Translator};
use documents::{Document, DocumentFormat, EncodedDocument, Segmenter};
use text::Tokenizer;

use crate::app_state::AppState;
use crate::error::ApiError;
use crate::request::TranslateRequest;
use crate::translated_text::{Alternative, TranslatedDocument, TranslatedText};
use crate::translation_service::TranslationService;

/// The texts of a request, tokenised.
pub struct Prepared {
    /// The translator of the request.
    pub translator: Arc<Translator<'static>>,
    texts: Vec<(String, EncodedDocument)>,
    n_best: usize,
}

impl Prepared {
    /// Splits and tokenises texts. It takes time for long texts, so it runs outside the connections' thread.
    ///
    /// # Errors
    /// Invalid settings, too many sentences, or a text that is too long or rejected by the tokenizer.
    pub fn new(
        state: &AppState,
        service: &TranslationService,
        request: &TranslateRequest,
        texts: &[String],
    ) -> Result<Self, ApiError> {
        let documents = request.documents()?;
        let has_tags = documents.as_ref().is_some_and(|(format, _)| format.has_tags());
        let long = request.too_long(state.too_long);
        let settings = request.settings(&service.defaults);
        let settings = EncodedDocument::settings(settings, has_tags);
        let translator = |too_long| {
            let translator = service.translator(Settings { too_long, ..settings.clone() });
            translator.map(Arc::new).map_err(ApiError::from_settings)
        };
        let (of_text, of_sentence) = (translator(long.text)?, translator(long.sentence)?);
        let limit = state.limits.sentences;
        let mut prepared = Vec::with_capacity(texts.len());
        let mut line = 1;
        for text in texts {
            let document = match &documents {
                Some((format, segmenter)) => parse(text, *format, segmenter),
                None => Document::from_sentence(text),
            };
            let count = document.sentences().count();
            let translator = if count == 1 { &of_text } else { &of_sentence };
            if line - 1 + count > limit {
                return Err(ApiError::TooManySentences { found: line - 1 + count, limit });
            }
            let encoded = EncodedDocument::new(document, translator, line).map_err(ApiError::InvalidText)?;
            line += encoded.len();
            prepared.push((text.clone(), encoded));
        }
        if line - 1 > limit {
            return Err(ApiError::TooManySentences { found: line - 1, limit });
        }
        Ok(Self { translator: of_text, texts: prepared, n_best: settings.n_best })
    }

    /// All sentences, in order. Their lines count from 1.
    pub fn inputs(&self) -> Vec<EncodedInput> {
        self.texts.iter().flat_map(|(_, document)| document.inputs()).cloned().collect()
    }

    /// The response, from one result per sentence.
    pub fn responses(self, results: Vec<TranslationResult>) -> Vec<TranslatedText> {
        let mut results = results.into_iter();
        let Self { translator, texts, n_best } = self;
        let tokenizer = &translator.model().target_tokenizer;
        let each = texts.into_iter();
        each.map(|(source, document)| respond(source, &document, &mut results, n_best, tokenizer)).collect()
    }
}

/// A text in its format. A blank one is a sentence without tokens.
fn parse(text: &str, format: DocumentFormat, segmenter: &Segmenter) -> Document {
    let document = format.parse(text, segmenter);
    if !format.has_tags() && document.sentences().next().is_none() { Document::from_sentence(text) } else { document }
}

fn respond(
    source: String,
    document: &EncodedDocument,
    results: &mut impl Iterator<Item = TranslationResult>,
    n_best: usize,
    tokenizer: &Tokenizer,
) -> TranslatedText {
    let mut sentences: Vec<TranslationResult> = results.by_ref().take(document.len()).collect();
    let text = document.write(&sentences, 0, tokenizer);
    let others = sentences.iter().map(|sentence| sentence.alternatives.len()).max().unwrap_or(0).min(n_best);
    let alternatives: Vec<String> = (1..=others).map(|rank| document.write(&sentences, rank, tokenizer)).collect();
    if let [_] = sentences[..] {
        let mut result = sentences.remove(0);
        result.source = source;
        // A text that was skipped has no translation, not even white space.
        if !result.problem.as_ref().is_some_and(TextProblem::is_skipped) {
            result.best.text = text;
        }
        result.alternatives.iter_mut().zip(alternatives).for_each(|(alternative, text)| alternative.text = text);
        return TranslatedText::Sentence(result);
    }
    TranslatedText::Document(TranslatedDocument {
        source,
        unknown: sentences.iter().map(|sentence| sentence.unknown).sum(),
        problem: None,
        text,
        finished: sentences.iter().all(|sentence| sentence.best.finished),
        alternatives: alternatives.into_iter().map(|text| Alternative { text }).collect(),
        sentences,
    })
}
