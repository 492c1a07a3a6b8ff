//! The tokens around texts in each family: language tokens, the beginning, the end, and the decoder's start.
//!
//! | family | source | target |
//! |---|---|---|
//! | BART | `<s>` text `</s>` | from `</s>`: `<s>` text `</s>` |
//! | mBART (cc25) | text `</s>` language | from the language: text `</s>` |
//! | mBART-50, M2M100, NLLB | language text `</s>` | from `</s>`: language text `</s>` |
//! | Pegasus | text `</s>` | from `<pad>`: text `</s>` |

use std::collections::BTreeMap;

use model::ConfigError;
use serde_json::Value;
use text::{Role, Template};

use super::{Family, Network, fairseq};

/// The templates of both sides, and the languages that the folder names.
#[derive(Debug)]
pub(super) struct Roles {
    pub source: Template,
    pub target: Template,
    pub source_lang: Option<String>,
    pub target_lang: Option<String>,
    /// The ids of the decoder's start and of the first token that it is forced to.
    pub starts: [Option<u32>; 2],
}

/// What decides the roles of tokens.
pub(super) struct Facts<'a> {
    pub family: Family,
    pub network: &'a Network,
    /// `generation_config.json`, else `config.json`.
    pub generation: &'a Value,
    pub tokenizer_config: &'a Value,
    /// `tokenizer_class`, where a file names it.
    pub tokenizer_class: &'a str,
    /// The label of each id of the folder.
    pub labels: &'a [String],
    /// Labels that are no pieces of text.
    pub special: &'a [String],
}

const END: &str = "</s>";
const BEGIN: &str = "<s>";

/// The labels with a place of their own in every vocabulary.
const LAYOUT: [&str; 3] = [END, "<unk>", "<pad>"];

/// Returns the roles, or `None` for a family whose texts have `</s>` alone.
///
/// # Errors
/// Ids in `config.json` that contradict the family.
pub(super) fn read(facts: &Facts) -> Result<Option<Roles>, ConfigError> {
    let Facts { family, network, special, labels, .. } = facts;
    let label = |role: &str| Role::Label(role.to_owned());
    let end = || vec![label(END)];
    let languages: BTreeMap<String, String> = match family {
        Family::MBart | Family::M2m100 => special
            .iter()
            .filter(|label| fairseq::is_language(label))
            .map(|label| (fairseq::name_of(label).to_owned(), label.clone()))
            .collect(),
        Family::T5 | Family::Bart | Family::Pegasus => BTreeMap::new(),
    };
    let hidden: Vec<String> = special
        .iter()
        .filter(|label| !LAYOUT.contains(&label.as_str()) && !languages.values().any(|language| language == *label))
        .cloned()
        .collect();
    let side = |start: Option<Role>, before: Vec<Role>, after: Vec<Role>| Template {
        start,
        before,
        after,
        languages: languages.clone(),
        hidden: hidden.clone(),
    };
    let start_is = |expected: u32, what: &str| match network.start {
        Some(found) if found != expected => {
            let (expected, remedy) = (format!("{expected}, {what}"), "fetch the files of one model");
            Err(ConfigError::new("decoder_start_token_id", found, expected, remedy))
        }
        Some(_) | None => Ok(()),
    };
    let language_of = |id: Option<u32>| {
        let label = id.and_then(|id| labels.get(id as usize));
        label.filter(|label| languages.values().any(|language| language == *label)).cloned()
    };
    let (source, target) = match family {
        Family::T5 => return Ok(None),
        Family::Bart => {
            start_is(network.end, "eos_token_id")?;
            if !labels.iter().any(|label| label == BEGIN) {
                return Err(ConfigError::new(
                    "bos_token_id",
                    "no entry \"<s>\"",
                    "one",
                    "fetch the files of one model",
                ));
            }
            let begin = || vec![label(BEGIN)];
            (side(None, begin(), end()), side(Some(label(END)), begin(), end()))
        }
        Family::Pegasus => {
            start_is(network.padding, "pad_token_id")?;
            (side(None, Vec::new(), end()), side(Some(label("<pad>")), Vec::new(), end()))
        }
        Family::MBart | Family::M2m100 => {
            if languages.is_empty() {
                let expected = "language tokens such as en_XX, __en__ or eng_Latn";
                let remedy = "fetch tokenizer.json, or special_tokens_map.json";
                return Err(ConfigError::new("additional_special_tokens", "none", expected, remedy));
            }
            if *family == Family::MBart && !is_mbart_50(facts) {
                let after = vec![label(END), Role::SourceLanguage];
                (side(None, Vec::new(), after), side(Some(Role::TargetLanguage), Vec::new(), end()))
            } else {
                start_is(network.end, "eos_token_id")?;
                let legacy = facts.tokenizer_config["legacy_behaviour"].as_bool() == Some(true);
                let source = match legacy {
                    true => side(None, Vec::new(), vec![label(END), Role::SourceLanguage]),
                    false => side(None, vec![Role::SourceLanguage], end()),
                };
                (source, side(Some(label(END)), vec![Role::TargetLanguage], end()))
            }
        }
    };
    let named = |key: &str| {
        let language = facts.tokenizer_config[key].as_str().unwrap_or_default();
        let known = languages.contains_key(language) || languages.values().any(|label| label == language);
        known.then(|| fairseq::name_of(language).to_owned())
    };
    // The settings of decoding precede those of the network.
    let id = |key: &str, of_network: Option<u32>| {
        let found = facts.generation[key].as_u64().and_then(|id| u32::try_from(id).ok());
        found.or(of_network)
    };
    let (first, forced) = (id("decoder_start_token_id", network.start), id("forced_bos_token_id", network.forced));
    let language = if target.start == Some(Role::TargetLanguage) { first } else { forced };
    let chosen = language_of(language).map(|label| fairseq::name_of(&label).to_owned());
    let id_of = |role: Option<&Role>| match role? {
        Role::Label(own) => labels.iter().position(|label| label == own).and_then(|id| u32::try_from(id).ok()),
        Role::TargetLanguage => language.filter(|id| language_of(Some(*id)).is_some()),
        Role::SourceLanguage => None,
    };
    let starts = [id_of(target.start.as_ref()), id_of(target.before.first())];
    let target_lang = chosen.or_else(|| named("tgt_lang"));
    Ok(Some(Roles { source, target, source_lang: named("src_lang"), target_lang, starts }))
}

/// Whether an mBART is of the second kind, by its tokenizer, else by the decoder's start.
fn is_mbart_50(facts: &Facts) -> bool {
    match facts.tokenizer_class.trim_end_matches("Fast") {
        "MBart50Tokenizer" => true,
        "MBartTokenizer" => false,
        _ => facts.network.start == Some(facts.network.end),
    }
}
