//! The saved model of a run folder without its weights: configuration and tokenizers, checked against each other.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use model::{ConfigError, ModelConfig, VocabularySizes};
use serde::Deserialize;
use text::{Frames, Languages, Tokenizer};

use crate::config::{DecodingConfig, tokenizer_error};
use crate::error::RunError;
use crate::layout;

/// The model of a run folder without its weights, which each engine reads in a layout of its own.
#[derive(Clone, Debug)]
pub struct SavedModel {
    /// The `[model]` table.
    pub config: ModelConfig,
    /// The `[decoding]` table.
    pub decoding: DecodingConfig,
    /// The tokenizer of the source side.
    pub source_tokenizer: Arc<Tokenizer>,
    /// The tokenizer of the target side; the same as the source's for a joint vocabulary.
    pub target_tokenizer: Arc<Tokenizer>,
    /// The sizes of both vocabularies, `<pad>` included.
    pub sizes: VocabularySizes,
}

/// The tables of `config.toml` that decoding reads.
#[derive(Deserialize)]
struct ConfigFile {
    model: ModelConfig,
    #[serde(default)]
    decoding: DecodingConfig,
}

impl SavedModel {
    /// A model whose vocabularies have the sizes of the tokenizers.
    pub fn new(
        config: ModelConfig,
        decoding: DecodingConfig,
        source_tokenizer: Arc<Tokenizer>,
        target_tokenizer: Arc<Tokenizer>,
    ) -> Self {
        let sizes = VocabularySizes { source: source_tokenizer.vocab_size(), target: target_tokenizer.vocab_size() };
        Self { config, decoding, source_tokenizer, target_tokenizer, sizes }
    }

    /// The tokens around texts in these languages.
    ///
    /// # Errors
    /// A language that is missing, unknown, or given to a model without language tokens.
    pub fn frames(&self, languages: Languages) -> Result<Frames, ConfigError> {
        Frames::new(&self.source_tokenizer, &self.target_tokenizer, languages).map_err(tokenizer_error)
    }

    /// Opens a run folder.
    ///
    /// # Errors
    /// A file that is missing, damaged, of another kind, or that disagrees with the others.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        if let Some(missing) = layout::REQUIRED.into_iter().find(|name| !folder.join(name).is_file()) {
            return Err(RunError::MissingFile { path: folder.to_path_buf(), missing });
        }
        let path = folder.join(layout::CONFIG);
        let text = fs::read_to_string(&path).map_err(|source| RunError::Unreadable { path: path.clone(), source })?;
        let toml_error = |source| RunError::Toml { path: path.clone(), source: Box::new(source) };
        let invalid = |source| RunError::Config { origin: path.display().to_string(), source };
        let ConfigFile { model: config, decoding } = toml::from_str(&text).map_err(toml_error)?;
        check_complete(&toml::from_str(&text).map_err(toml_error)?).map_err(invalid)?;
        let (source, target) = (folder.join(layout::SOURCE_TOKENIZER), folder.join(layout::TARGET_TOKENIZER));
        let source_tokenizer = Arc::new(Tokenizer::load(&source)?);
        let target_tokenizer = match same_contents(&source, &target) {
            Ok(true) => source_tokenizer.clone(),
            Ok(false) | Err(_) => Arc::new(Tokenizer::load(&target)?),
        };
        let saved = Self::new(config, decoding, source_tokenizer, target_tokenizer);
        let Self { config, decoding, sizes, .. } = &saved;
        config
            .validate()
            .and_then(|()| config.validate_vocabularies(*sizes))
            .and_then(|()| decoding.validate(config))
            .map_err(invalid)?;
        Ok(saved)
    }
}

/// Returns whether two files have the same bytes, reading a part of each at a time.
fn same_contents(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (fs::File::open(one)?, fs::File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (BufReader::new(one), BufReader::new(other));
    loop {
        let (part, rest) = (one.fill_buf()?, other.fill_buf()?);
        let common = part.len().min(rest.len());
        if part[..common] != rest[..common] {
            return Ok(false);
        }
        if common == 0 {
            return Ok(part.len() == rest.len());
        }
        one.consume(common);
        other.consume(common);
    }
}

/// Checks that the `[model]` table has every key of version 0.1. A missing key would be read as its default, and some of
/// them, such as the number of heads, change the output without changing a shape.
fn check_complete(config: &toml::Table) -> Result<(), ConfigError> {
    let all = toml::Table::try_from(ModelConfig::default()).unwrap_or_default();
    let model = config.get("model").and_then(toml::Value::as_table);
    let mut required = all.keys().filter(|key| !ModelConfig::ADDED.contains(&key.as_str()));
    match required.find(|key| model.is_none_or(|model| !model.contains_key(*key))) {
        None => Ok(()),
        Some(key) => Err(ConfigError::new(
            &format!("model.{key}"),
            "nothing",
            "a value, since `train` writes every key",
            "restore the file that belongs to these weights",
        )),
    }
}
