//! The files of a vocabulary in an exported folder.

use serde_json::{Value, json};
use text::Tokenizer;

use super::bytes;
use crate::folder::NewFile;
use crate::marian::vocabulary::{fast, pretty};
use crate::marian::{files, sentencepiece};

/// SentencePiece model of the T5 family.
const PIECES: &str = "spiece.model";

/// The files of a vocabulary, and the class of transformers that reads them.
pub(super) struct TokenizerFiles {
    pub class: &'static str,
    pub files: Vec<NewFile>,
}

/// Returns the files of a vocabulary: ByT5's bytes need none, a SentencePiece model stays one, others become a
/// `tokenizer.json`.
pub(super) fn write(tokenizer: &Tokenizer) -> TokenizerFiles {
    let original = tokenizer.special_ids().new_ids(tokenizer.vocab_size());
    let labels: Vec<&str> = original.into_iter().map(|id| tokenizer.labels()[id].as_str()).collect();
    let is_added = |label: &&str| label.starts_with("<extra_id_") || label.starts_with("<unused_");
    let added = labels.iter().rev().take_while(|label| is_added(label)).count();
    let (own, added) = labels.split_at(labels.len() - added);
    let extra_ids = added.iter().filter(|label| label.starts_with("<extra_id_")).count();
    let (class, mut files, extra) = match tokenizer.sentencepiece() {
        None => ("PreTrainedTokenizerFast", vec![(files::TOKENIZER, fast(tokenizer))], Value::Null),
        Some(_) if bytes::vocabulary().labels == own => ("ByT5Tokenizer", Vec::new(), json!(extra_ids)),
        Some(model) => ("T5Tokenizer", vec![(PIECES, sentencepiece::write_labels(model, own))], json!(extra_ids)),
    };
    let mut settings = json!({
        "tokenizer_class": class,
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": false,
    });
    if !extra.is_null() {
        settings["extra_ids"] = extra;
    }
    files.push((files::TOKENIZER_CONFIG, pretty(&settings)));
    TokenizerFiles { class, files }
}
