//! Tokens that a folder adds to its vocabulary, each with its id: `added_tokens_decoder` of `tokenizer_config.json`, else the
//! older `added_tokens.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Family;
use super::fairseq::{self, is_language};
use crate::InterchangeError;
use crate::marian::files;

/// Key of `tokenizer_config.json`.
const BY_ID: &str = "added_tokens_decoder";

/// A file with ids by label.
pub(super) const ADDED_TOKENS: &str = "added_tokens.json";

/// A token beside the pieces of a vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AddedToken {
    pub label: String,
    /// Whether it is none of the text, such as a language.
    pub special: bool,
}

/// Added tokens by id.
#[derive(Debug)]
pub(super) struct AddedTokens {
    pub by_id: BTreeMap<usize, AddedToken>,
    /// The file that lists them.
    file: &'static str,
}

impl AddedTokens {
    /// Reads the contents of `tokenizer_config.json`, else of `added_tokens.json`.
    pub fn read(tokenizer_config: &Value, added_tokens: &Value) -> Self {
        let by_id = tokenizer_config[BY_ID].as_object().into_iter().flatten().filter_map(|(id, token)| {
            let label = token["content"].as_str()?.to_owned();
            Some((id.parse().ok()?, AddedToken { special: is_special(&label, token["special"].as_bool()), label }))
        });
        let by_id: BTreeMap<usize, AddedToken> = by_id.collect();
        if !by_id.is_empty() {
            return Self { by_id, file: files::TOKENIZER_CONFIG };
        }
        let by_label = added_tokens.as_object().into_iter().flatten().filter_map(|(label, id)| {
            let in_brackets = label.starts_with('<') && label.ends_with('>');
            let special = is_special(label, Some(in_brackets));
            Some((usize::try_from(id.as_u64()?).ok()?, AddedToken { label: label.clone(), special }))
        });
        Self { by_id: by_label.collect(), file: ADDED_TOKENS }
    }

    /// Whether a token has this label.
    pub fn has(&self, label: &str) -> bool {
        self.by_id.values().any(|token| token.label == label)
    }

    /// Checks that languages have the ids that the vocabulary gives them.
    ///
    /// # Errors
    /// The first of another id, with which translations would be in another language.
    pub fn check_languages(&self, family: Family, labels: &[String], folder: &Path) -> Result<(), InterchangeError> {
        match family {
            Family::T5 | Family::Bart | Family::Pegasus => return Ok(()),
            Family::MBart | Family::M2m100 => {}
        }
        let differs = |(id, token): &(&usize, &AddedToken)| {
            is_language(&token.label) && labels.get(**id).is_none_or(|own| *own != token.label)
        };
        let Some((id, token)) = self.by_id.iter().find(differs) else { return Ok(()) };
        let expected = match labels.get(*id) {
            Some(own) => format!("{own:?}, which the vocabulary has there"),
            None => format!("an id below vocab_size = {} of config.json", labels.len()),
        };
        Err(InterchangeError::File {
            path: folder.join(self.file),
            found: format!("the id {id} for {:?}", token.label),
            expected,
            remedy: "fetch the files of one model",
        })
    }
}

/// Whether a token is none of the text, by its flag and by its label: languages that were added later are often flagged as words.
pub(super) fn is_special(label: &str, flag: Option<bool>) -> bool {
    flag.unwrap_or(true) || is_language(label) || fairseq::FIRST.contains(&label) || label == "<mask>"
}

/// Returns the entry of `tokenizer_config.json` for these tokens.
pub(super) fn entry<'a>(tokens: impl Iterator<Item = (usize, &'a str, bool)>) -> (&'static str, Value) {
    let token = |(id, label, special): (usize, &str, bool)| {
        let token = json!({"content": label, "lstrip": label == "<mask>", "normalized": !special, "rstrip": false,
                           "single_word": false, "special": special});
        (id.to_string(), token)
    };
    (BY_ID, Value::Object(tokens.map(token).collect::<Map<_, _>>()))
}
