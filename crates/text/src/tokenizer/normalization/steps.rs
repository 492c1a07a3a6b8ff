//! The steps of a normalizer in a tokenizer file, and the way back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{NormalizationRule, TextNormalizer, nmt_nfkc};
use crate::tokenizer::pipeline::{Pipeline, replace_regex};
use crate::tokenizer::sentencepiece::to_base64;
use crate::tokenizer::{TokenizerConfig, TokenizerKind};

/// The characters of [`super::is_meaningless`].
const MEANINGLESS: &str =
    r"[\x{0}-\x{8}\x{E}-\x{1F}\x{7F}-\x{84}\x{86}-\x{9F}\x{AD}\x{200B}\x{2060}-\x{2064}\x{206A}-\x{206F}\x{FEFF}]";

/// White space (Unicode `White_Space`), spelled out because programs differ in `\s`.
const SPACES: &str =
    r"[\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]+";

/// A capital sigma at the end of a word (Unicode's `Final_Sigma`, of which the run of marks before it has no bound).
const FINAL_SIGMA: &str = r"(?:(?<=\p{Cased})|(?<=\p{Cased}\p{Case_Ignorable})|(?<=\p{Cased}\p{Case_Ignorable}{2}))Σ(?!\p{Case_Ignorable}*\p{Cased})";

/// Returns the normalizers of a configuration, in order. `charsmap` is the table of [`NormalizationRule::NmtNfkc`].
pub(in crate::tokenizer) fn steps(config: &TokenizerConfig, charsmap: Option<&[u8]>) -> Vec<Value> {
    let rule = config.rule();
    let mut steps = match rule {
        NormalizationRule::Nfc | NormalizationRule::Nfd => {
            vec![replace_regex(MEANINGLESS, ""), replace_regex(SPACES, " "), strip()]
        }
        NormalizationRule::NmtNfkc => {
            let table = to_base64(charsmap.unwrap_or_else(|| nmt_nfkc::charsmap()));
            let table = json!({"type": "Precompiled", "precompiled_charsmap": table});
            vec![table, replace_regex(" {2,}", " "), strip()]
        }
        NormalizationRule::Lossless => vec![],
    };
    if config.lowercase {
        steps.extend([replace_regex(FINAL_SIGMA, "ς"), json!({"type": "Lowercase"})]);
    }
    // The Unicode form comes last: lower-casing may decompose.
    let form = match rule {
        NormalizationRule::Nfc => Some("NFC"),
        NormalizationRule::Nfd => Some("NFD"),
        NormalizationRule::NmtNfkc => None,
        NormalizationRule::Lossless => config.nfc.then_some("NFC"),
    };
    steps.extend(form.map(|form| json!({"type": form})));
    steps
}

fn strip() -> Value {
    json!({"type": "Strip", "strip_left": true, "strip_right": true})
}

/// Returns the normalizer of a tokenizer file, if it is one of this program.
///
/// `None` without a rule, without lower case: the library applies these steps, and those of older files.
///
/// # Errors
/// A damaged table, as (found, expected).
pub(in crate::tokenizer) fn recognise(
    kind: TokenizerKind,
    normalizer: &Value,
) -> Result<Option<TextNormalizer>, (String, &'static str)> {
    let table = |step: &Value| STANDARD.decode(step["precompiled_charsmap"].as_str()?).ok();
    let charsmap = normalizer["normalizers"].as_array().and_then(|steps| steps.iter().find_map(table));
    for (rule, nfc) in [
        (NormalizationRule::Nfc, true),
        (NormalizationRule::Nfd, true),
        (NormalizationRule::NmtNfkc, true),
        (NormalizationRule::Lossless, true),
        (NormalizationRule::Lossless, false),
    ] {
        if (rule == NormalizationRule::NmtNfkc) != charsmap.is_some() {
            continue;
        }
        for lowercase in [false, true] {
            let config =
                TokenizerConfig { kind, normalization: Some(rule), nfc, lowercase, ..TokenizerConfig::default() };
            let with_steps = rule != NormalizationRule::Lossless || lowercase;
            if with_steps && Pipeline::new(&config, charsmap.as_deref()).normalizer == *normalizer {
                return TextNormalizer::new(rule, lowercase, nfc, charsmap.as_deref().unwrap_or_default())
                    .map(Some)
                    .map_err(|found| (found, "a table of SentencePiece's form"));
            }
        }
    }
    Ok(None)
}
