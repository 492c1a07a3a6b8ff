//! Training of BPE merges.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokenizers::models::bpe::{BPE, BpeTrainer};

use super::alphabet::Alphabet;
use super::{failed, leading_added_tokens, leading_tokens};
use crate::TextError;
use crate::special_tokens::{PAD, UNKNOWN};
use crate::tokenizer::TokenizerConfig;

/// Trains merges and returns the `model` entry of a tokenizer file.
pub(super) fn train(alphabet: &Alphabet, config: &TokenizerConfig) -> Result<Value, TextError> {
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(config.vocab_size - 1) // `<pad>` is added at the end
        .special_tokens(leading_added_tokens())
        .build();
    let counts = alphabet.words.iter().map(|(word, count)| (word.as_str().into(), *count)).collect();
    let mut bpe = BPE::default();
    trainer.do_train(&counts, &mut bpe).map_err(|error| failed("bpe", error))?;

    let mut vocabulary = bpe.get_vocab();
    let learned = serde_json::to_value(&bpe).map_err(|error| failed("bpe", error))?;
    let pad = vocabulary.len();
    if pad + 1 < config.vocab_size {
        return Err(TextError::VocabularyTooLarge { vocab_size: config.vocab_size, max: pad + 1 });
    }

    // Ids follow the order in which tokens were first created, which is reproducible. The crate ranks a merge by its last
    // occurrence, which can depend on the order of a hash map if a pair recurs. So merges are ranked by the id of their
    // result, as in tiktoken, then by the ids of the two sides.
    let id = |label: &str| vocabulary.get(label).copied().unwrap_or(u32::MAX);
    let merges = learned["merges"].as_array().map(Vec::as_slice);
    let mut merges: Vec<(u32, u32, u32, &Value)> = merges
        .unwrap_or_default()
        .iter()
        .map(|merge| {
            let left = merge[0].as_str().unwrap_or_default();
            let right = merge[1].as_str().unwrap_or_default();
            (id(&format!("{left}{right}")), id(left), id(right), merge)
        })
        .collect();
    merges.sort_unstable_by_key(|(merged, left, right, _)| (*merged, *left, *right));
    let merges: Vec<&Value> = merges.into_iter().map(|merge| merge.3).collect();
    let merges = json!(merges);
    vocabulary.insert(PAD.into(), pad as u32);

    Ok(model(&vocabulary, &merges))
}

/// Returns the `model` entry of a vocabulary of the special tokens and the bytes.
pub(super) fn without_merges() -> Value {
    let tokens = leading_tokens().into_iter().chain([PAD.to_owned()]);
    model(&tokens.zip(0..).collect(), &json!([]))
}

fn model(vocabulary: &HashMap<String, u32>, merges: &Value) -> Value {
    json!({
        "type": "BPE",
        "dropout": null,
        "unk_token": UNKNOWN,
        "continuing_subword_prefix": null,
        "end_of_word_suffix": null,
        "fuse_unk": false,
        "byte_fallback": true,
        "ignore_merges": false,
        "vocab": vocabulary,
        "merges": merges,
    })
}
