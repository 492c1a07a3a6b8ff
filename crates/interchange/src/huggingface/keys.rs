//! The keys of `config.json`: each is read, known to have no effect, or rejected by name.

use std::cell::RefCell;
use std::collections::BTreeSet;

use model::ConfigError;
use serde_json::Value;

use crate::marian::config::{flag, rate, require, shown, size};

/// Text before every source, a key of all families.
pub(crate) const PREFIX: &str = "prefix";

/// Settings of single tasks, such as a prefix for each pair of languages.
const TASKS: &str = "task_specific_params";

/// Keys that do not change the network.
const WITHOUT_EFFECT: [&str; 36] = [
    PREFIX,
    "architectures",
    "model_type",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
    "output_past",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "return_dict",
    "return_dict_in_generate",
    "gradient_checkpointing",
    "initializer_factor",
    "initializer_range",
    "init_std",
    "classifier_dropout",
    "classif_dropout",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "finetuning_task",
    TASKS,
    "tokenizer_class",
    "torchscript",
    "use_bfloat16",
    "pruned_heads",
    "chunk_size_feed_forward",
    "bos_token_id",
    "sep_token_id",
    "cls_token_id",
    "unk_token_id",
    "num_hidden_layers",
    "attn_implementation",
];

/// Keys of generation, which older folders have in `config.json`: `marian::generation` reads or reports them.
const GENERATION: [&str; 30] = [
    "bad_words_ids",
    "begin_suppress_tokens",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_length",
    "min_new_tokens",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "pad_token_id",
    "remove_invalid_values",
    "renormalize_logits",
    "repetition_penalty",
    "sequence_bias",
    "suppress_tokens",
    "temperature",
    "top_k",
    "top_p",
];

/// The largest vocabulary, four times that of the largest known model: a larger number is a damaged file.
const LARGEST_VOCABULARY: usize = 1 << 20;

const UNKNOWN: &str = "translate with transformers, which knows such models; or remove the key if it changes nothing";

/// The contents of `config.json`, and the keys read so far.
pub(super) struct Keys<'a> {
    config: &'a Value,
    read: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Keys<'a> {
    pub fn new(config: &'a Value) -> Self {
        Self { config, read: RefCell::default() }
    }

    /// Returns a value, `null` if absent.
    pub fn value(&self, key: &'static str) -> &'a Value {
        self.read.borrow_mut().insert(key);
        &self.config[key]
    }

    /// Returns a number of things.
    pub fn size(&self, key: &'static str, default: Option<usize>) -> Result<usize, ConfigError> {
        self.value(key);
        size(self.config, key, default)
    }

    /// Returns the number of entries of the vocabulary.
    pub fn vocab_size(&self) -> Result<usize, ConfigError> {
        let size = self.size("vocab_size", None)?;
        if size > LARGEST_VOCABULARY {
            let (expected, remedy) = (format!("at most {LARGEST_VOCABULARY}"), "fetch the file again");
            return Err(ConfigError::new("vocab_size", size, expected, remedy));
        }
        Ok(size)
    }

    /// Returns a name.
    pub fn name(&self, key: &'static str, default: &'static str) -> Result<&'a str, ConfigError> {
        let found = self.value(key);
        found.as_str().or(Some(default).filter(|_| found.is_null())).ok_or_else(|| {
            ConfigError::new(key, shown(found), "a text", "fetch the file that belongs to these weights")
        })
    }

    /// Returns a flag.
    pub fn flag(&self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        self.value(key);
        flag(self.config, key, default)
    }

    /// Returns a real number.
    pub fn rate(&self, key: &'static str, default: f64) -> Result<f64, ConfigError> {
        self.value(key);
        rate(self.config, key, default)
    }

    /// Returns the id of a token of a vocabulary.
    pub fn id(&self, key: &'static str, default: Option<usize>, vocab_size: usize) -> Result<u32, ConfigError> {
        let found = self.size(key, default)?;
        u32::try_from(found).ok().filter(|_| found < vocab_size).ok_or_else(|| {
            let expected = format!("an id below the vocabulary's size, {vocab_size}");
            ConfigError::new(key, found, expected, "fetch the file that belongs to these weights")
        })
    }

    /// Requires a value of a key that is present.
    pub fn fixed(&self, key: &'static str, expected: &Value) -> Result<(), ConfigError> {
        if self.value(key).is_null() { Ok(()) } else { require(self.config, key, expected) }
    }

    /// Rejects the first key that was not read and may have an effect.
    pub fn finish(&self, model_type: &str) -> Result<(), ConfigError> {
        let read = self.read.borrow();
        // Those that begin with `_`, such as `_num_labels` of BART's first files, are transformers' own.
        let known = |key: &str| {
            read.contains(key) || WITHOUT_EFFECT.contains(&key) || GENERATION.contains(&key) || key.starts_with('_')
        };
        let entries = self.config.as_object().into_iter().flatten();
        match entries.into_iter().find(|(key, value)| !value.is_null() && !known(key)) {
            None => Ok(()),
            Some((key, value)) => {
                let expected = format!("keys of a {model_type} model that this program has");
                Err(ConfigError::new(key, shown(value), expected, UNKNOWN))
            }
        }
    }
}

/// Returns the prefixes of single tasks, each as `key = value`: a run folder has one prefix.
pub(super) fn task_prefixes(config: &Value) -> Vec<String> {
    let tasks = config[TASKS].as_object().into_iter().flatten();
    let prefixes = tasks.filter_map(|(task, settings)| Some((task, settings[PREFIX].as_str()?)));
    prefixes.map(|(task, prefix)| format!("{TASKS}.{task}.{PREFIX} = {prefix:?}")).collect()
}

/// Returns the entries of `generation_config.json` that nothing reads, each as `key = value`.
pub(super) fn unknown_generation(generation: &Value) -> Vec<String> {
    let known = |key: &str| GENERATION.contains(&key) || WITHOUT_EFFECT.contains(&key) || key.starts_with('_');
    let entries = generation.as_object().into_iter().flatten();
    let unknown = entries.filter(|(key, value)| !value.is_null() && !known(key));
    unknown.map(|(key, value)| format!("{key} = {value}")).collect()
}
