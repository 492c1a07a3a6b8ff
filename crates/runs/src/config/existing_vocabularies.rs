//! Fine-tuning: the keys of `[tokenizer]` that vocabularies which exist already decide.

use std::path::Path;

use model::ConfigError;
use text::{TextError, Tokenizer, TokenizerConfig};
use toml::{Table, Value};

use super::TokenizersConfig;
use crate::layout;

/// Rejects a table for one side in the `[tokenizer]` table `set` if the run called `name` has a `joint` vocabulary.
pub(super) fn check_sides(set: &Table, name: &str, joint: bool) -> Result<(), ConfigError> {
    match ["source", "target"].into_iter().find(|side| joint && set.contains_key(*side)) {
        Some(side) => {
            let expected = format!("none, since {name} has one vocabulary for both sides");
            Err(ConfigError::new(&format!("tokenizer.{side}"), "a table", expected, "set its keys in [tokenizer]"))
        }
        None => Ok(()),
    }
}

/// The vocabularies of a run folder, which a configuration cannot change.
pub(super) struct ExistingVocabularies {
    /// The run, for messages.
    name: String,
    /// Its `[tokenizer]` table, which imported models lack.
    config: Option<TokenizersConfig>,
    source: Tokenizer,
    target: Tokenizer,
}

impl ExistingVocabularies {
    /// Opens the vocabularies in `folder`, whose configuration has the table `config`; `name` is for messages.
    ///
    /// # Errors
    /// Files that are missing or damaged.
    pub(super) fn open(folder: &Path, name: String, config: Option<TokenizersConfig>) -> Result<Self, TextError> {
        let source = Tokenizer::load(&folder.join(layout::SOURCE_TOKENIZER))?;
        let target = Tokenizer::load(&folder.join(layout::TARGET_TOKENIZER))?;
        Ok(Self { name, config, source, target })
    }

    /// Rejects keys of a `[tokenizer]` table with other values than the vocabularies have.
    pub(super) fn check(&self, set: &Table) -> Result<(), ConfigError> {
        check_sides(set, &self.name, self.joint())?;
        let config = self.config.as_ref();
        for (side, tokenizer, settings) in [
            ("source", &self.source, config.map(TokenizersConfig::source)),
            ("target", &self.target, config.map(TokenizersConfig::target)),
        ] {
            let table = format!("tokenizer.{side}");
            let own = set.get(side).and_then(Value::as_table);
            let side = Side { run: self, tokenizer, values: self.values(tokenizer, settings) };
            let both = set.iter().filter(|(key, value)| {
                !value.is_table() && own.is_none_or(|own| !own.contains_key(key.as_str())) // those of a side count there
            });
            side.check("tokenizer", both.collect())?;
            side.check(&table, own.into_iter().flatten().collect())?;
        }
        Ok(())
    }

    /// Returns whether both sides share one vocabulary.
    fn joint(&self) -> bool {
        let same_file = || self.source.to_json() == self.target.to_json();
        self.config.as_ref().map_or_else(same_file, TokenizersConfig::joint)
    }

    /// Returns the known values of one side's keys.
    fn values(&self, tokenizer: &Tokenizer, settings: Option<&TokenizerConfig>) -> Table {
        let mut values = settings.and_then(|settings| Table::try_from(settings).ok()).unwrap_or_default();
        // The file decides: earlier versions did not record every key.
        values.insert("kind".to_string(), tokenizer.kind().name().into());
        values.insert("direction".to_string(), tokenizer.direction().name().into());
        values.insert("joint".to_string(), self.joint().into());
        match tokenizer.normalization() {
            Some(rule) => drop(values.insert("normalization".to_string(), rule.name().into())),
            None => drop(values.remove("normalization")),
        }
        if settings.is_none() {
            values.insert("vocab_size".to_string(), Value::Integer(tokenizer.vocab_size() as i64));
        }
        values
    }
}

/// The vocabulary of one side, with the known values of its keys.
struct Side<'a> {
    run: &'a ExistingVocabularies,
    tokenizer: &'a Tokenizer,
    values: Table,
}

impl Side<'_> {
    /// Checks the keys of a table, first the kind: other keys may follow from it.
    fn check(&self, table: &str, mut keys: Vec<(&String, &Value)>) -> Result<(), ConfigError> {
        keys.sort_by_key(|(key, _)| *key != "kind");
        keys.into_iter().try_for_each(|(key, set)| match key.as_str() {
            "dropout" => self.check_dropout(table, set),
            key => self.check_key(table, key, set),
        })
    }

    fn check_key(&self, table: &str, key: &str, set: &Value) -> Result<(), ConfigError> {
        let (field, run) = (format!("{table}.{key}"), &self.run.name);
        let expected = match self.values.get(key) {
            Some(found) if found == set => return Ok(()),
            Some(found) => {
                let verb = if key == "kind" { "are" } else { "have it" };
                format!("{found}, as the vocabularies of {run} {verb}")
            }
            None => format!("nothing, since the vocabularies of {run} have rules of their own"),
        };
        Err(ConfigError::new(&field, set, expected, format!("remove {field}, or train a model of its own")))
    }

    /// Rejects BPE-dropout for vocabularies without merges that it could skip, such as imported ones.
    fn check_dropout(&self, table: &str, set: &Value) -> Result<(), ConfigError> {
        let off = set.as_float() == Some(0.0) || set.as_integer() == Some(0);
        if off || (self.run.config.is_some() && self.tokenizer.has_merges()) {
            return Ok(());
        }
        let field = format!("{table}.dropout");
        let expected = format!("0, since the vocabularies of {} segment by rules of their own", self.run.name);
        Err(ConfigError::new(&field, set, expected, format!("remove {field}")))
    }
}
