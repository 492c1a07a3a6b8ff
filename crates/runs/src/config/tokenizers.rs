//! The `[tokenizer]` table: one for both sides of the corpus, or with a table for each.

use model::ConfigError;
use serde::{Deserialize, Serialize};
use text::{FieldError, NormalizationRule, TokenizerConfig};
use toml::{Table, Value};

use super::tokenizer_keys::TokenizerKeys;

/// The `[tokenizer]` table.
///
/// With `[tokenizer.source]` or `[tokenizer.target]`, each side has a vocabulary of its own; the keys of `[tokenizer]` hold
/// for the sides that do not set them.
///
/// ```
/// use runs::config::TokenizersConfig;
/// use text::TokenizerKind;
///
/// let keys = "lowercase = true\n[source]\nkind = \"character\"\n[target]\nkind = \"whitespace\"\nlowercase = false";
/// let config: TokenizersConfig = toml::from_str(keys).unwrap();
/// assert_eq!((config.source().kind, config.source().lowercase), (TokenizerKind::Character, true));
/// assert_eq!((config.target().kind, config.target().lowercase), (TokenizerKind::Whitespace, false));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TokenizerKeys", into = "TokenizerKeys")]
pub enum TokenizersConfig {
    /// The same settings for both sides.
    Same(TokenizerConfig),
    /// Settings for each side. `joint` is false in both.
    PerSide {
        /// The source side.
        source: Box<TokenizerConfig>,
        /// The target side.
        target: Box<TokenizerConfig>,
    },
}

impl Default for TokenizersConfig {
    fn default() -> Self {
        Self::Same(TokenizerConfig::default())
    }
}

impl TokenizersConfig {
    /// Returns the settings of the source side.
    pub fn source(&self) -> &TokenizerConfig {
        match self {
            Self::Same(both) => both,
            Self::PerSide { source, .. } => source,
        }
    }

    /// Returns the settings of the target side.
    pub fn target(&self) -> &TokenizerConfig {
        match self {
            Self::Same(both) => both,
            Self::PerSide { target, .. } => target,
        }
    }

    /// Returns whether both sides share one vocabulary.
    pub fn joint(&self) -> bool {
        match self {
            Self::Same(both) => both.joint,
            Self::PerSide { .. } => false,
        }
    }

    /// Returns the names of the tables with the settings of the source and of the target.
    pub fn tables(&self) -> (&'static str, &'static str) {
        match self {
            Self::Same(_) => (BOTH, BOTH),
            Self::PerSide { .. } => ("tokenizer.source", "tokenizer.target"),
        }
    }

    /// Sets the rules of normalisation that the vocabularies of the source and the target have.
    pub fn set_normalization(
        &mut self,
        source_rule: Option<NormalizationRule>,
        target_rule: Option<NormalizationRule>,
    ) {
        match self {
            Self::Same(both) => both.normalization = source_rule,
            Self::PerSide { source, target } => {
                source.normalization = source_rule;
                target.normalization = target_rule;
            }
        }
    }

    /// Checks all values.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let check = |table, config: &TokenizerConfig| config.validate().map_err(|error| of(table, error));
        let (source_table, target_table) = self.tables();
        check(source_table, self.source())?;
        check(target_table, self.target())
    }

    /// Makes `normalization` of a run and of the configuration that continues it comparable: absent now means that of the
    /// run, and absent in the run the only rule that versions without the key had.
    pub(super) fn align_normalization(&mut self, now: &mut Self) {
        let align = |run: &mut TokenizerConfig, now: &mut TokenizerConfig| match now.normalization {
            None => now.normalization = run.normalization,
            Some(_) => drop(run.normalization.get_or_insert(NormalizationRule::Lossless)),
        };
        match (self, now) {
            (Self::Same(run), Self::Same(now)) => align(run, now),
            (
                Self::PerSide { source: run_source, target: run_target },
                Self::PerSide { source: now_source, target: now_target },
            ) => {
                align(run_source, now_source);
                align(run_target, now_target);
            }
            (Self::Same(_), Self::PerSide { .. }) | (Self::PerSide { .. }, Self::Same(_)) => {}
        }
    }
}

const BOTH: &str = "tokenizer";

/// Converts an error of `text`, which names keys of `[tokenizer]`, to one that names this table.
fn of(table: &str, FieldError { field, found, expected, remedy }: FieldError) -> ConfigError {
    let place = |text: String| text.replace("tokenizer.", &format!("{table}."));
    ConfigError::new(&place(field.to_string()), found, place(expected), place(remedy))
}

/// Makes the keys that `above` sets for both sides hold where `base` has a table for each side, which has no `joint`.
pub(super) fn spread(base: &mut Table, above: &Table) {
    let (Some(Value::Table(base)), Some(Value::Table(above))) = (base.get_mut(BOTH), above.get(BOTH)) else { return };
    for side in ["source", "target"] {
        if let Some(Value::Table(base)) = base.get_mut(side) {
            let both = above.iter().filter(|(key, value)| !value.is_table() && *key != "joint");
            base.extend(both.map(|(key, value)| (key.clone(), value.clone())));
        }
    }
}

#[cfg(test)]
mod tests {
    use text::TokenizerKind;

    use super::*;

    fn read(keys: &str) -> Result<TokenizersConfig, String> {
        toml::from_str(keys).map_err(|error| error.to_string())
    }

    #[test]
    fn one_table_holds_for_both_sides() {
        let config = read("kind = \"word\"\nvocab_size = 40\njoint = false").unwrap();
        let expected =
            TokenizerConfig { kind: TokenizerKind::Word, vocab_size: 40, joint: false, ..Default::default() };
        assert_eq!(config, TokenizersConfig::Same(expected.clone()));
        assert_eq!((config.source(), config.target(), config.joint()), (&expected, &expected, false));
        assert_eq!(read("").unwrap(), TokenizersConfig::default());
    }

    #[test]
    fn what_is_written_is_read() {
        for keys in [
            "vocab_size = 300",
            "dropout = 0.1\n[source]\nnormalization = \"nfd\"",
            "[source]\nkind = \"character\"\nlowercase = true\n[target]\nnfc = false\nsample_lines = 7",
        ] {
            let config = read(keys).unwrap();
            assert_eq!(read(&toml::to_string(&config).unwrap()).unwrap(), config, "{keys}");
        }
    }

    #[test]
    fn errors_have_the_table_and_the_line() {
        for (keys, expected) in [
            ("joint = true\n[source]\nkind = \"word\"", "`joint = true` contradicts"),
            ("[source]\njoint = false", "unknown field `joint`"),
            ("[target]\nkind = \"chars\"", "unknown variant `chars`, expected one of `bpe`, `unigram`"),
            ("kind = \"word\"\nsources = 1", "line 2"),
        ] {
            let message = read(keys).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
        let message = |keys| read(keys).unwrap().validate().unwrap_err().to_string();
        let found = message("[source]\nkind = \"word\"\n[target]\nkind = \"character\"\ndropout = 0.1");
        assert!(found.starts_with("tokenizer.target.dropout = 0.1: expected 0"), "{found}");
        assert!(found.ends_with("set tokenizer.target.dropout = 0, or tokenizer.target.kind = \"bpe\""), "{found}");
        assert!(message("vocab_size = 1").starts_with("tokenizer.vocab_size = 1"));
    }

    #[test]
    fn keys_for_both_sides_reach_inherited_tables() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let mut base = table("[tokenizer.source]\nkind = \"bpe\"\ndropout = 0.0\n[tokenizer.target]\nkind = \"word\"");
        spread(&mut base, &table("[tokenizer]\njoint = false\nlowercase = true\n[tokenizer.source]\ndropout = 0.1"));
        let expected = "[tokenizer.source]\nkind = \"bpe\"\ndropout = 0.0\nlowercase = true\n\
                        [tokenizer.target]\nkind = \"word\"\nlowercase = true";
        assert_eq!(base, table(expected));
    }
}
