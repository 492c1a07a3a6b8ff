//! Vocabularies of Hugging Face folders: a SentencePiece model, a `tokenizer.json`, or bytes.

use std::fs;
use std::path::Path;

use serde_json::Value;
use text::{SentencePieces, Tokenizer};

use super::{Network, bytes, unigram};
use crate::InterchangeError;
use crate::marian::{config, files, sentencepiece, vocabulary};

/// Names of SentencePiece models, of which the first that exists is read.
const PIECES: [&str; 2] = ["spiece.model", "sentencepiece.bpe.model"];

/// Entries that the T5 family adds to a SentencePiece model for the gaps of its first training.
const EXTRA_IDS: usize = 100;

/// A vocabulary in the order of the folder's ids.
pub(super) struct Vocabulary {
    /// The pieces that text is cut into.
    pub pieces: SentencePieces,
    /// The label of each id.
    pub labels: Vec<String>,
}

/// Reads the vocabulary of both sides.
///
/// # Errors
/// A folder without a vocabulary, or files that are malformed, not supported, or do not fit `config.json`.
pub(super) fn read(folder: &Path, settings: &Value, network: &Network) -> Result<Tokenizer, InterchangeError> {
    let (mut vocabulary, path) = if bytes::are_used(&tokenizer_class(folder, settings)?) {
        (bytes::vocabulary(), folder.join(files::CONFIG))
    } else if let Some(path) = PIECES.into_iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        let file = bytes_of(&path)?;
        let (pieces, labels) = (sentencepiece::read(&file, &path)?, sentencepiece::labels(&file, &path)?);
        (Vocabulary { pieces, labels }, path)
    } else if folder.join(files::TOKENIZER).is_file() {
        let path = folder.join(files::TOKENIZER);
        (unigram::read(&config::parse(&path, &bytes_of(&path)?)?, &path)?, path)
    } else {
        return Err(InterchangeError::NoTokenizer { path: folder.to_owned() });
    };
    fill(&mut vocabulary.labels, network.vocab_size, &path)?;
    let (labels, special) = vocabulary::in_layout(vocabulary.labels, network.end, network.padding, &path)?;
    Ok(Tokenizer::from_sentencepiece(&vocabulary.pieces, &labels, special, &path)?)
}

/// The class that transformers uses, where a file names it.
fn tokenizer_class(folder: &Path, settings: &Value) -> Result<String, InterchangeError> {
    let path = folder.join(files::TOKENIZER_CONFIG);
    let own = if path.is_file() { config::parse(&path, &bytes_of(&path)?)? } else { Value::Null };
    let named = [&own["tokenizer_class"], &settings["tokenizer_class"]];
    Ok(named.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned())
}

/// Adds labels for the ids that the network has beyond the vocabulary, such as `<extra_id_0>`.
fn fill(labels: &mut Vec<String>, size: usize, path: &Path) -> Result<(), InterchangeError> {
    if labels.len() > size {
        return Err(InterchangeError::File {
            path: path.to_owned(),
            found: format!("{} entries", labels.len()),
            expected: format!("at most vocab_size = {size} of config.json"),
            remedy: "fetch the files of one model",
        });
    }
    let named = labels.iter().any(|label| label == "<extra_id_0>");
    if !named && size - labels.len() >= EXTRA_IDS {
        labels.extend((0..EXTRA_IDS).rev().map(|id| format!("<extra_id_{id}>")));
    }
    labels.extend((labels.len()..size).map(|id| format!("<unused_{id}>")));
    Ok(())
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, InterchangeError> {
    fs::read(path).map_err(|source| InterchangeError::Read { path: path.to_owned(), source })
}
