//! The languages of given pairs, for commands that decode nothing.

use clap::Args;
use runs::DecodingConfig;

/// The languages of a pair of texts.
#[derive(Args)]
pub struct LanguageOptions {
    /// Language of the source, for models with language tokens [default: from the run]
    #[arg(long, value_name = "LANG")]
    source_lang: Option<String>,
    /// Language of the target, for models with language tokens [default: from the run]
    #[arg(long, value_name = "LANG")]
    target_lang: Option<String>,
}

impl LanguageOptions {
    /// Overrides the languages of the run by those that are given.
    pub fn apply(self, decoding: &mut DecodingConfig) {
        let Self { source_lang, target_lang } = self;
        decoding.source_lang = source_lang.or(decoding.source_lang.take());
        decoding.target_lang = target_lang.or(decoding.target_lang.take());
    }
}
