//! The files between text and ids, in both directions.

use std::fs;
use std::path::Path;

use model::{ConfigError, VocabularySizes};
use serde_json::{Map, Value, json};
use text::{SpecialIds, Tokenizer};

use super::{config, files, sentencepiece};
use crate::InterchangeError;
use crate::folder::NewFile;

/// Reads the tokenizers of a Marian folder: source, target.
///
/// # Errors
/// A file that is missing, malformed, or does not match the sizes in `config.json`.
pub fn read(
    folder: &Path,
    sizes: VocabularySizes,
    end: u32,
    padding: u32,
) -> Result<(Tokenizer, Tokenizer), InterchangeError> {
    if folder.join(files::SOURCE_PIECES).is_file() {
        return read_pieces(folder, sizes, end, padding);
    }
    if !folder.join(files::TOKENIZER).is_file() {
        return Err(InterchangeError::NotMarian { path: folder.to_owned(), missing: files::SOURCE_PIECES });
    }
    // As `export` writes them for vocabularies that SentencePiece cannot express.
    let load = |name: &str| {
        let path = folder.join(name);
        let mut file = config::parse(&path, &bytes(&path)?)?;
        let Some(parts) = file.as_object_mut() else {
            return Err(InterchangeError::File {
                path,
                found: "no object".to_owned(),
                expected: "an object, as `tokenizers` writes it".to_owned(),
                remedy: "download the file again",
            });
        };
        parts.insert("post_processor".to_owned(), Value::Null);
        Ok::<_, InterchangeError>(Tokenizer::from_json(&file.to_string(), &path)?)
    };
    let source = load(files::TOKENIZER)?;
    let target =
        if folder.join(files::TARGET_TOKENIZER).is_file() { load(files::TARGET_TOKENIZER)? } else { source.clone() };
    for (tokenizer, name, key, size) in [
        (&source, files::TOKENIZER, "vocab_size", sizes.source),
        (&target, files::TARGET_TOKENIZER, "decoder_vocab_size", sizes.target),
    ] {
        let path = folder.join(name);
        fits(tokenizer.vocab_size(), size, key, &path)?;
        for (id, label) in [(end, "</s>"), (padding, "<pad>")] {
            has_role(tokenizer.labels(), id, label, &path)?;
        }
    }
    Ok((source, target))
}

fn read_pieces(
    folder: &Path,
    sizes: VocabularySizes,
    end: u32,
    padding: u32,
) -> Result<(Tokenizer, Tokenizer), InterchangeError> {
    let path = folder.join(files::TOKENIZER_CONFIG);
    let settings = if path.is_file() { config::parse(&path, &bytes(&path)?)? } else { Value::Null };
    let arguments = &settings["sp_model_kwargs"];
    if arguments.as_object().is_some_and(|arguments| !arguments.is_empty()) {
        let source = ConfigError::new(
            "sp_model_kwargs",
            arguments,
            "nothing: text is cut in the most probable way",
            "remove the key",
        );
        return Err(InterchangeError::Config { path, source });
    }
    let separate = settings["separate_vocabs"].as_bool().unwrap_or(false);
    let vocabulary = |name: &str, key: &str, size: usize| {
        let path = folder.join(name);
        in_layout(labels(&path, Some((key, size)))?, end, padding, &path)
    };
    let source = vocabulary(files::VOCABULARY, "vocab_size", sizes.source)?;
    let target = if separate {
        vocabulary(files::TARGET_VOCABULARY, "decoder_vocab_size", sizes.target)?
    } else {
        fits(source.0.len(), sizes.target, "decoder_vocab_size", &folder.join(files::VOCABULARY))?;
        source.clone()
    };
    let side = |name: &str, (labels, special): (Vec<String>, SpecialIds)| {
        let path = folder.join(name);
        let pieces = sentencepiece::read(&bytes(&path)?, &path)?;
        Ok::<_, InterchangeError>(Tokenizer::from_sentencepiece(&pieces, &labels, special, &path)?)
    };
    Ok((side(files::SOURCE_PIECES, source)?, side(files::TARGET_PIECES, target)?))
}

/// Returns the labels of `vocab.json` in the order of their ids.
///
/// `size` is a key of `config.json` and its value, if the labels must have this number.
pub fn labels(path: &Path, size: Option<(&str, usize)>) -> Result<Vec<String>, InterchangeError> {
    let wrong = |found: String| InterchangeError::File {
        path: path.to_owned(),
        found,
        expected: "an object that gives each label an id, from 0 up without gaps".to_owned(),
        remedy: "download the file again",
    };
    let value = config::parse(path, &bytes(path)?)?;
    let object = value.as_object().ok_or_else(|| wrong("no object".to_owned()))?;
    if let Some((key, size)) = size {
        fits(object.len(), size, key, path)?;
    }
    let mut labels = vec![None; object.len()];
    for (label, id) in object {
        let place = id.as_u64().and_then(|id| labels.get_mut(usize::try_from(id).ok()?));
        match place {
            Some(place @ None) => *place = Some(label.clone()),
            Some(Some(other)) => return Err(wrong(format!("the id {id} for {other:?} and {label:?}"))),
            None => return Err(wrong(format!("the id {id} for {label:?}, of {} entries", object.len()))),
        }
    }
    // As many entries as ids, and no id twice: none is empty.
    Ok(labels.into_iter().flatten().collect())
}

/// Returns the labels in the order of the ids that they have here, and the ids that the special tokens had.
pub fn in_layout(
    labels: Vec<String>,
    end: u32,
    padding: u32,
    path: &Path,
) -> Result<(Vec<String>, SpecialIds), InterchangeError> {
    has_role(&labels, end, "</s>", path)?;
    has_role(&labels, padding, "<pad>", path)?;
    let unknown = labels.iter().position(|label| label == "<unk>").ok_or_else(|| InterchangeError::File {
        path: path.to_owned(),
        found: "no entry \"<unk>\"".to_owned(),
        expected: "one, for text outside the vocabulary".to_owned(),
        remedy: "fetch the files of one model",
    })?;
    let special = SpecialIds { end, unknown: unknown as u32, padding };
    let labels = special.original_ids(labels.len()).into_iter().map(|id| labels[id].clone()).collect();
    Ok((labels, special))
}

/// Checks that a label has the id that `config.json` gives it.
fn has_role(labels: &[String], id: u32, label: &str, path: &Path) -> Result<(), InterchangeError> {
    match labels.get(id as usize) {
        Some(found) if found == label => Ok(()),
        found => Err(InterchangeError::File {
            path: path.to_owned(),
            found: format!("{} at id {id}", found.map_or("nothing".to_owned(), |label| format!("{label:?}"))),
            expected: format!("{label:?}, as in config.json"),
            remedy: "fetch the files of one model",
        }),
    }
}

fn fits(found: usize, expected: usize, key: &str, path: &Path) -> Result<(), InterchangeError> {
    if found == expected {
        return Ok(());
    }
    Err(InterchangeError::File {
        path: path.to_owned(),
        found: format!("{found} entries"),
        expected: format!("{key} = {expected} of config.json"),
        remedy: "fetch the files of one model",
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, InterchangeError> {
    fs::read(path).map_err(|source| InterchangeError::Read { path: path.to_owned(), source })
}

/// Returns the files of a Marian folder for two tokenizers.
///
/// Two SentencePiece models become `.spm` files for `MarianTokenizer`. Other vocabularies, which that class cannot
/// express, become a `tokenizer.json`, and one more for a target with another vocabulary.
pub fn write(source: &Tokenizer, target: &Tokenizer, max_length: usize) -> Vec<NewFile> {
    let mut written = vec![(files::VOCABULARY, pretty(&ids(source)))];
    let separate = source.labels() != target.labels();
    if separate {
        written.push((files::TARGET_VOCABULARY, pretty(&ids(target))));
    }
    let mut settings = json!({
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "model_max_length": max_length,
        "clean_up_tokenization_spaces": false,
    });
    if let (Some(source), Some(target)) = (source.sentencepiece(), target.sentencepiece()) {
        settings["tokenizer_class"] = json!("MarianTokenizer");
        settings["separate_vocabs"] = json!(separate);
        written.push((files::SOURCE_PIECES, sentencepiece::write(&source)));
        written.push((files::TARGET_PIECES, sentencepiece::write(&target)));
    } else {
        settings["tokenizer_class"] = json!("PreTrainedTokenizerFast");
        written.push((files::TOKENIZER, fast(source)));
        if source.to_json() != target.to_json() {
            written.push((files::TARGET_TOKENIZER, fast(target)));
        }
    }
    written.push((files::TOKENIZER_CONFIG, pretty(&settings)));
    written
}

fn ids(tokenizer: &Tokenizer) -> Value {
    let original = tokenizer.special_ids().original_ids(tokenizer.vocab_size());
    let entries = tokenizer.labels().iter().zip(original).map(|(label, id)| (label.clone(), json!(id)));
    Value::Object(entries.collect::<Map<_, _>>())
}

/// Returns the tokenizer's file with `</s>` appended to each text.
pub fn fast(tokenizer: &Tokenizer) -> Vec<u8> {
    let mut file: Value = serde_json::from_str(&tokenizer.to_json()).unwrap_or_default();
    let sequence = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
    let end = json!({"SpecialToken": {"id": "</s>", "type_id": 0}});
    file["post_processor"] = json!({
        "type": "TemplateProcessing",
        "single": [sequence("A"), end],
        "pair": [sequence("A"), sequence("B"), end],
        "special_tokens": {"</s>": {"id": "</s>", "ids": [0], "tokens": ["</s>"]}},
    });
    pretty(&file)
}

/// Formats JSON, with a final line feed.
pub fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}
