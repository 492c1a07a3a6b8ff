//! The files of a vocabulary in an exported folder.

use serde_json::{Map, Value, json};
use text::{Languages, Role, SentencePieces, Template, Tokenizer};

use super::fairseq::FIRST;
use super::{Family, added_tokens, bytes};
use crate::folder::NewFile;
use crate::marian::vocabulary::{fast, pretty};
use crate::marian::{files, sentencepiece};

/// SentencePiece model of T5 and Pegasus.
const PIECES: &str = "spiece.model";

/// SentencePiece model of mBART, M2M100 and NLLB.
const FAIRSEQ_PIECES: &str = "sentencepiece.bpe.model";

/// The files of a vocabulary, and the class of transformers that reads them.
pub(super) struct TokenizerFiles {
    pub class: &'static str,
    pub files: Vec<NewFile>,
}

/// Returns the files of the vocabulary of both sides.
pub(super) fn write(family: Family, source: &Tokenizer, target: &Tokenizer, languages: Languages) -> TokenizerFiles {
    let template = target.template();
    match (family, source.sentencepiece(), template) {
        (Family::T5, _, _) | (_, _, None) => write_t5(source),
        (_, None, Some(template)) => library_files(family, source, template, languages),
        (Family::Bart, Some(_), Some(_)) => write_t5(source),
        (Family::MBart | Family::M2m100 | Family::Pegasus, Some(model), Some(template)) => {
            pieces_files(family, source, &model, template, languages)
        }
    }
}

/// The labels of a vocabulary in the order of the folder's ids.
fn labels(tokenizer: &Tokenizer) -> Vec<&str> {
    let here = tokenizer.special_ids().new_ids(tokenizer.vocab_size());
    here.into_iter().map(|id| tokenizer.labels()[id].as_str()).collect()
}

/// The class of transformers for a family.
fn class_of(family: Family, template: &Template) -> &'static str {
    match family {
        Family::T5 => "T5Tokenizer",
        Family::Bart => "BartTokenizer",
        Family::MBart if template.start == Some(Role::TargetLanguage) => "MBartTokenizer",
        Family::MBart => "MBart50Tokenizer",
        Family::M2m100 if template.languages.values().any(|label| label.starts_with("__")) => "M2M100Tokenizer",
        Family::M2m100 => "NllbTokenizer",
        Family::Pegasus => "PegasusTokenizer",
    }
}

fn is_unused(label: &str) -> bool {
    label.starts_with("<unused_")
}

/// Files of a vocabulary with a SentencePiece model, in the order of its family.
fn pieces_files(
    family: Family,
    source: &Tokenizer,
    model: &SentencePieces,
    template: &Template,
    named: Languages,
) -> TokenizerFiles {
    let class = class_of(family, template);
    let labels = labels(source);
    let is_piece = |label: &&str| !template.hidden.iter().any(|hidden| hidden == label);
    let languages: Vec<&str> =
        labels.iter().copied().filter(|label| template.languages.values().any(|own| own == label)).collect();
    // Languages, `<mask>` and what was added later follow the pieces.
    let is_last = |label: &&str| languages.contains(label) || *label == "<mask>" || is_unused(label);
    let pieces_end = labels.iter().position(is_last).unwrap_or(labels.len());
    let is_ordinary = |label: &&str| is_piece(label) && !["</s>", "<unk>", "<pad>"].contains(label);
    let ordinary = || labels[..pieces_end].iter().copied().filter(is_ordinary);
    let is_word = |label: &str| is_ordinary(&label) && !languages.contains(&label) && !FIRST.contains(&label);
    let named_end = labels.iter().rposition(|label| !is_unused(label)).map_or(0, |last| last + 1);
    let mut settings = with_languages(settings_of(class), named);
    let mut files = match class {
        "PegasusTokenizer" => {
            let before = labels.iter().position(|label| *label == "<unk>").unwrap_or_default();
            settings["offset"] = json!(before.saturating_sub(2));
            if pieces_end < named_end {
                let last = (pieces_end..named_end).map(|id| (id, labels[id], !is_word(labels[id])));
                let (key, by_id) = added_tokens::entry(last);
                settings[key] = by_id;
            }
            let own: Vec<&str> = ["<pad>", "</s>", "<unk>"].into_iter().chain(ordinary()).collect();
            vec![(PIECES, sentencepiece::write_labels(model, &own))]
        }
        "M2M100Tokenizer" => {
            let first = labels.iter().position(|label| languages.contains(label)).unwrap_or(labels.len());
            let list: Map<String, Value> = labels[..first]
                .iter()
                .zip(0..)
                .map(|(label, id): (&&str, u32)| ((*label).to_owned(), json!(id)))
                .collect();
            let words = labels.iter().copied().enumerate().skip(first).filter(|(_, label)| is_word(label));
            let (key, words) = added_tokens::entry(words.map(|(id, label)| (id, label, false)));
            settings[key] = words;
            vec![(FAIRSEQ_PIECES, sentencepiece::write(model)), (files::VOCABULARY, pretty(&Value::Object(list)))]
        }
        _ => {
            let own: Vec<&str> = ["<unk>", "<s>", "</s>"].into_iter().chain(ordinary()).collect();
            // By id: transformers would put `<mask>` of NLLB before the languages.
            let last = (0..FIRST.len()).chain(pieces_end..named_end).map(|id| (id, labels[id], !is_word(labels[id])));
            let (key, by_id) = added_tokens::entry(last);
            settings[key] = by_id;
            if class == "NllbTokenizer" {
                settings["additional_special_tokens"] = json!(languages);
                settings["legacy_behaviour"] = json!(source.template().is_some_and(|source| source.before.is_empty()));
            }
            vec![(FAIRSEQ_PIECES, sentencepiece::write_labels(model, &own))]
        }
    };
    files.push((files::TOKENIZER_CONFIG, pretty(&settings)));
    TokenizerFiles { class, files }
}

/// Files of a vocabulary whose steps the `tokenizers` library applies.
fn library_files(family: Family, source: &Tokenizer, template: &Template, named: Languages) -> TokenizerFiles {
    let class = class_of(family, template);
    let mut settings = with_languages(settings_of(class), named);
    if !template.languages.is_empty() {
        let languages: Vec<&str> =
            labels(source).into_iter().filter(|label| template.languages.values().any(|own| own == label)).collect();
        settings["additional_special_tokens"] = json!(languages);
    }
    let mut files = vec![(files::TOKENIZER, pretty(&source.to_original_file()))];
    files.push((files::TOKENIZER_CONFIG, pretty(&settings)));
    TokenizerFiles { class, files }
}

/// Adds the languages of a run, if it names any.
fn with_languages(mut settings: Value, languages: Languages) -> Value {
    for (key, language) in [("src_lang", languages.source), ("tgt_lang", languages.target)] {
        if let Some(language) = language {
            settings[key] = json!(language);
        }
    }
    settings
}

fn settings_of(class: &str) -> Value {
    json!({
        "tokenizer_class": class,
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "clean_up_tokenization_spaces": false,
    })
}

/// Returns the files of T5: ByT5's bytes need none, a SentencePiece model stays one, others become a `tokenizer.json`.
fn write_t5(tokenizer: &Tokenizer) -> TokenizerFiles {
    let labels = labels(tokenizer);
    let is_added = |label: &&str| label.starts_with("<extra_id_") || is_unused(label);
    let added = labels.iter().rev().take_while(|label| is_added(label)).count();
    let (own, added) = labels.split_at(labels.len() - added);
    let extra_ids = added.iter().filter(|label| label.starts_with("<extra_id_")).count();
    let (class, mut files, extra) = match tokenizer.sentencepiece() {
        None => ("PreTrainedTokenizerFast", vec![(files::TOKENIZER, fast(tokenizer))], Value::Null),
        Some(_) if bytes::vocabulary().labels == own => ("ByT5Tokenizer", Vec::new(), json!(extra_ids)),
        Some(model) => ("T5Tokenizer", vec![(PIECES, sentencepiece::write_labels(&model, own))], json!(extra_ids)),
    };
    let mut settings = settings_of(class);
    if !extra.is_null() {
        settings["extra_ids"] = extra;
    }
    files.push((files::TOKENIZER_CONFIG, pretty(&settings)));
    TokenizerFiles { class, files }
}
