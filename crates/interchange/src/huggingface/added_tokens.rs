//! Tokens that a folder adds to its vocabulary, each with its id: `added_tokens_decoder` of `tokenizer_config.json`, or the
//! older `added_tokens.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::fairseq::is_language;
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
pub(super) type AddedTokens = BTreeMap<usize, AddedToken>;

/// Reads the contents of `tokenizer_config.json` and of `added_tokens.json`.
pub(super) fn read(tokenizer_config: &Value, added_tokens: &Value) -> AddedTokens {
    let older = added_tokens.as_object().into_iter().flatten().filter_map(|(label, id)| {
        let special = is_language(label) || label.starts_with('<') && label.ends_with('>');
        Some((usize::try_from(id.as_u64()?).ok()?, AddedToken { label: label.clone(), special }))
    });
    let by_id = tokenizer_config[BY_ID].as_object().into_iter().flatten().filter_map(|(id, token)| {
        let special = token["special"].as_bool().unwrap_or(true);
        Some((id.parse().ok()?, AddedToken { label: token["content"].as_str()?.to_owned(), special }))
    });
    older.chain(by_id).collect()
}

/// Checks that the languages among the added tokens have the ids that the vocabulary gives them.
///
/// # Errors
/// The first of another id, with which translations would be in another language.
pub(super) fn check_languages(added: &AddedTokens, labels: &[String], folder: &Path) -> Result<(), InterchangeError> {
    let own = |id: &usize| labels.get(*id).map_or("nothing", String::as_str);
    match added.iter().find(|(id, token)| is_language(&token.label) && own(id) != token.label) {
        None => Ok(()),
        Some((id, token)) => Err(InterchangeError::File {
            path: folder.join(files::TOKENIZER_CONFIG),
            found: format!("the id {id} for {:?}", token.label),
            expected: format!("{:?}, which the vocabulary has there", own(id)),
            remedy: "fetch the files of one model",
        }),
    }
}

/// Returns the entry of `tokenizer_config.json` for these special tokens.
pub(super) fn entry<'a>(tokens: impl Iterator<Item = (usize, &'a str)>) -> (&'static str, Value) {
    let token = |(id, label): (usize, &str)| {
        let token = json!({"content": label, "lstrip": label == "<mask>", "normalized": false, "rstrip": false,
                           "single_word": false, "special": true});
        (id.to_string(), token)
    };
    (BY_ID, Value::Object(tokens.map(token).collect::<Map<_, _>>()))
}
