//! The keys of `[tokenizer]` as they stand in a file: for both sides, and for each.

use serde::{Deserialize, Serialize};
use text::{Direction, NormalizationRule, TokenizerConfig, TokenizerKind};

use super::TokenizersConfig;

/// The keys of `[tokenizer]` as they stand in a file.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenizerKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<TokenizerKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vocab_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    joint: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalization: Option<NormalizationRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lowercase: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nfc: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_lines: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SideKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<SideKeys>,
}

/// The keys of `[tokenizer.source]` and `[tokenizer.target]`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SideKeys {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<TokenizerKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<Direction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vocab_size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalization: Option<NormalizationRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lowercase: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nfc: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dropout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_lines: Option<usize>,
}

impl SideKeys {
    /// Returns the settings of a side: its own keys, then those of `both`, then `joint` and the defaults.
    fn settings(self, both: &Self, joint: bool) -> TokenizerConfig {
        let default = TokenizerConfig::default();
        TokenizerConfig {
            kind: self.kind.or(both.kind).unwrap_or(default.kind),
            direction: self.direction.or(both.direction).unwrap_or(default.direction),
            vocab_size: self.vocab_size.or(both.vocab_size).unwrap_or(default.vocab_size),
            joint,
            normalization: self.normalization.or(both.normalization),
            lowercase: self.lowercase.or(both.lowercase).unwrap_or(default.lowercase),
            nfc: self.nfc.or(both.nfc).unwrap_or(default.nfc),
            dropout: self.dropout.or(both.dropout).unwrap_or(default.dropout),
            sample_lines: self.sample_lines.or(both.sample_lines).unwrap_or(default.sample_lines),
        }
    }
}

impl TryFrom<TokenizerKeys> for TokenizersConfig {
    type Error = String;

    fn try_from(keys: TokenizerKeys) -> Result<Self, String> {
        let TokenizerKeys {
            kind,
            direction,
            vocab_size,
            joint,
            normalization,
            lowercase,
            nfc,
            dropout,
            sample_lines,
            source,
            target,
        } = keys;
        let both = SideKeys { kind, direction, vocab_size, normalization, lowercase, nfc, dropout, sample_lines };
        if source.is_none() && target.is_none() {
            let joint = joint.unwrap_or(TokenizerConfig::default().joint);
            return Ok(Self::Same(both.settings(&SideKeys::default(), joint)));
        }
        if joint == Some(true) {
            return Err(
                "`joint = true` contradicts a table for one side, which makes two vocabularies; remove `joint`, or \
                        the tables `source` and `target`"
                    .to_string(),
            );
        }
        let side = |keys: Option<SideKeys>| Box::new(keys.unwrap_or_default().settings(&both, false));
        Ok(Self::PerSide { source: side(source), target: side(target) })
    }
}

impl From<TokenizerConfig> for SideKeys {
    fn from(config: TokenizerConfig) -> Self {
        let TokenizerConfig {
            kind,
            direction,
            vocab_size,
            joint: _,
            normalization,
            lowercase,
            nfc,
            dropout,
            sample_lines,
        } = config;
        Self {
            kind: Some(kind),
            direction: Some(direction),
            vocab_size: Some(vocab_size),
            normalization,
            lowercase: Some(lowercase),
            nfc: Some(nfc),
            dropout: Some(dropout),
            sample_lines: Some(sample_lines),
        }
    }
}

impl From<TokenizersConfig> for TokenizerKeys {
    fn from(config: TokenizersConfig) -> Self {
        match config {
            TokenizersConfig::Same(both) => {
                let joint = Some(both.joint);
                let SideKeys { kind, direction, vocab_size, normalization, lowercase, nfc, dropout, sample_lines } =
                    both.into();
                let (source, target) = (None, None);
                Self {
                    kind,
                    direction,
                    vocab_size,
                    joint,
                    normalization,
                    lowercase,
                    nfc,
                    dropout,
                    sample_lines,
                    source,
                    target,
                }
            }
            TokenizersConfig::PerSide { source, target } => {
                Self { source: Some((*source).into()), target: Some((*target).into()), ..Self::default() }
            }
        }
    }
}
