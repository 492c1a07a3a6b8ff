//! Vocabularies of Hugging Face folders: a SentencePiece model, a `tokenizer.json`, `vocab.json`, or bytes.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use text::{SentencePieces, Tokenizer};

use super::added_tokens::{ADDED_TOKENS, AddedToken, AddedTokens};
use super::roles::{self, Roles};
use super::{Family, Network, bytes, fairseq, tokenizers_file, unigram};
use crate::InterchangeError;
use crate::marian::{config, files, sentencepiece, vocabulary};

/// Names of SentencePiece models, of which the first that exists is read.
const PIECES: [&str; 2] = ["spiece.model", "sentencepiece.bpe.model"];

/// Merges of a byte-level BPE vocabulary.
const MERGES: &str = "merges.txt";

/// A list of special tokens.
const SPECIAL_TOKENS: &str = "special_tokens_map.json";

/// Entries that the T5 family adds to a SentencePiece model for the gaps of its first training.
const EXTRA_IDS: usize = 100;

/// How text is cut into tokens.
pub(super) enum Cutting {
    /// By a SentencePiece model.
    Pieces(SentencePieces),
    /// By the steps of a file, which the `tokenizers` library applies.
    File(Box<Value>),
}

/// A vocabulary in the order of the folder's ids.
pub(super) struct Vocabulary {
    /// How text is cut.
    pub cutting: Cutting,
    /// The label of each id.
    pub labels: Vec<String>,
    /// Labels that are no pieces of text, such as languages.
    pub special: Vec<String>,
    /// Labels of words that are tokens of their own, beside the pieces.
    pub words: Vec<String>,
}

impl Vocabulary {
    /// A vocabulary of a SentencePiece model, with its labels and the special ones among them.
    pub fn of_pieces(pieces: SentencePieces, [labels, special]: [Vec<String>; 2]) -> Self {
        Self { cutting: Cutting::Pieces(pieces), labels, special, words: Vec::new() }
    }
}

/// The tokenizers of a folder.
pub(super) struct Tokenizers {
    pub source: Tokenizer,
    pub target: Tokenizer,
    /// The languages that the folder names, of source and target.
    pub languages: [Option<String>; 2],
    /// The ids of the decoder's start and of the first token that it is forced to, as far as the tokenizers hold them.
    pub starts: [Option<u32>; 2],
    /// What the tokenizers do not hold.
    pub skipped: Option<String>,
}

/// The files of a folder that decide on its vocabulary.
pub(super) struct Files<'a> {
    pub folder: &'a Path,
    /// `config.json`.
    pub settings: &'a Value,
    /// `generation_config.json`, else `config.json`.
    pub generation: &'a Value,
}

/// Reads the vocabulary, and the tokens around the texts of both sides.
///
/// # Errors
/// A folder without a vocabulary, or files that are malformed, not supported, or do not fit `config.json`.
pub(super) fn read(files: &Files, network: &Network, family: Family) -> Result<Tokenizers, InterchangeError> {
    let folder = files.folder;
    let tokenizer_config = optional(&folder.join(files::TOKENIZER_CONFIG))?;
    let named = [&tokenizer_config["tokenizer_class"], &files.settings["tokenizer_class"]];
    let tokenizer_class = named.into_iter().find_map(Value::as_str).unwrap_or_default();
    let added = AddedTokens::read(&tokenizer_config, &optional(&folder.join(ADDED_TOKENS))?);
    let (mut vocabulary, path) = match family {
        Family::T5 => read_t5(folder, tokenizer_class)?,
        Family::Bart => read_byte_level(folder)?,
        Family::MBart | Family::M2m100 | Family::Pegasus => {
            read_fairseq(folder, &tokenizer_config, &added, network, family)?
        }
    };
    let extra_ids = match family {
        Family::T5 => tokenizer_config["extra_ids"].as_u64().map_or(EXTRA_IDS, |count| count as usize),
        Family::Bart | Family::MBart | Family::M2m100 | Family::Pegasus => 0,
    };
    fill(&mut vocabulary, &added, network.vocab_size, extra_ids, &path)?;
    let Vocabulary { cutting, labels, special, words } = vocabulary;
    added.check_languages(family, &labels, folder)?;
    let skipped = Some(words).filter(|words| !words.is_empty());
    let skipped = skipped.map(|words| format!("recognition of {} as one token in a text", words.join(", ")));
    let facts = roles::Facts {
        family,
        network,
        generation: files.generation,
        tokenizer_config: &tokenizer_config,
        tokenizer_class,
        labels: &labels,
        special: &special,
    };
    let configured = |source| InterchangeError::Config { path: folder.join(files::CONFIG), source };
    let roles = roles::read(&facts).map_err(configured)?;
    let (labels, ids) = vocabulary::in_layout(labels, network.end, network.padding, &path)?;
    let plain = match cutting {
        Cutting::Pieces(pieces) => Tokenizer::from_sentencepiece(&pieces, &labels, ids, &path)?,
        Cutting::File(file) => Tokenizer::from_tokenizers_file(*file, &labels, ids, &path)?,
    };
    let Some(Roles { source, target, source_lang, target_lang, starts }) = roles else {
        let (source, languages, starts) = (plain.clone(), [None, None], [None, None]);
        return Ok(Tokenizers { source, target: plain, languages, starts, skipped });
    };
    let target = plain.clone().with_template(target, &path)?;
    let source = plain.with_template(source, &path)?;
    Ok(Tokenizers { source, target, languages: [source_lang, target_lang], starts, skipped })
}

type Read = Result<(Vocabulary, PathBuf), InterchangeError>;

fn read_t5(folder: &Path, tokenizer_class: &str) -> Read {
    if bytes::are_used(tokenizer_class) {
        return Ok((bytes::vocabulary(), folder.join(files::CONFIG)));
    }
    if let Some((pieces, labels, path)) = read_pieces(folder)? {
        return Ok((Vocabulary::of_pieces(pieces, [labels, Vec::new()]), path));
    }
    let path = existing(folder, files::TOKENIZER).ok_or_else(|| no_tokenizer(folder))?;
    Ok((unigram::read(&json(&path)?, &path)?, path))
}

/// Byte-level BPE: `tokenizer.json`, else `vocab.json` with `merges.txt`.
fn read_byte_level(folder: &Path) -> Read {
    if let Some(path) = existing(folder, files::TOKENIZER) {
        return Ok((tokenizers_file::read(json(&path)?, &path)?, path));
    }
    let file = |name| existing(folder, name).ok_or_else(|| InterchangeError::NoByteLevel { path: folder.to_owned() });
    let (path, merges_path) = (file(files::VOCABULARY)?, file(MERGES)?);
    let merges = String::from_utf8_lossy(&bytes_of(&merges_path)?).into_owned();
    Ok((tokenizers_file::byte_level(json(&path)?, &path, &merges, &merges_path)?, path))
}

/// A SentencePiece model in the order of its family, else `tokenizer.json`.
fn read_fairseq(
    folder: &Path,
    tokenizer_config: &Value,
    added: &AddedTokens,
    network: &Network,
    family: Family,
) -> Read {
    let Some((pieces, labels, path)) = read_pieces(folder)? else {
        let path = existing(folder, files::TOKENIZER).ok_or_else(|| no_tokenizer(folder))?;
        return Ok((tokenizers_file::read(json(&path)?, &path)?, path));
    };
    let size = network.vocab_size;
    let named = fairseq::named_tokens(tokenizer_config, &optional(&folder.join(SPECIAL_TOKENS))?);
    let list = existing(folder, files::VOCABULARY);
    let (labels, path) = match (family, list) {
        (Family::M2m100, Some(list)) => {
            (fairseq::after_list(vocabulary::labels(&list, None)?, added, &named, size), list)
        }
        (Family::Pegasus, _) => {
            let offset = tokenizer_config["offset"].as_u64().and_then(|offset| usize::try_from(offset).ok());
            (fairseq::with_masks(labels, offset.filter(|offset| *offset <= size)), path)
        }
        (Family::T5 | Family::Bart | Family::MBart | Family::M2m100, _) => {
            (fairseq::with_languages(labels, added, &named, family, size), path)
        }
    };
    Ok((Vocabulary::of_pieces(pieces, labels), path))
}

/// The SentencePiece model of a folder and the labels of its ids, if there is one.
fn read_pieces(folder: &Path) -> Result<Option<(SentencePieces, Vec<String>, PathBuf)>, InterchangeError> {
    let Some(path) = PIECES.into_iter().find_map(|name| existing(folder, name)) else { return Ok(None) };
    let file = bytes_of(&path)?;
    Ok(Some((sentencepiece::read(&file, &path)?, sentencepiece::labels(&file, &path)?, path)))
}

fn existing(folder: &Path, name: &str) -> Option<PathBuf> {
    Some(folder.join(name)).filter(|path| path.is_file())
}

fn no_tokenizer(folder: &Path) -> InterchangeError {
    InterchangeError::NoTokenizer { path: folder.to_owned() }
}

fn json(path: &Path) -> Result<Value, InterchangeError> {
    config::parse(path, &bytes_of(path)?)
}

/// The contents of a file, `null` without it.
fn optional(path: &Path) -> Result<Value, InterchangeError> {
    if path.is_file() { json(path) } else { Ok(Value::Null) }
}

/// Adds labels for the ids that the network has beyond the vocabulary: added tokens, and such as `<extra_id_0>`.
fn fill(
    vocabulary: &mut Vocabulary,
    added: &AddedTokens,
    size: usize,
    extra_ids: usize,
    path: &Path,
) -> Result<(), InterchangeError> {
    let Vocabulary { labels, special, words, .. } = vocabulary;
    // BART's tokenizers have a `<mask>` that some of its models lack.
    while labels.len() > size
        && let Some(at) = special.iter().position(|label| Some(label) == labels.last())
    {
        labels.pop();
        special.remove(at);
    }
    if labels.len() > size {
        return Err(InterchangeError::File {
            path: path.to_owned(),
            found: format!("{} entries", labels.len()),
            expected: format!("at most vocab_size = {size} of config.json"),
            remedy: "fetch the files of one model",
        });
    }
    let first = "<extra_id_0>";
    let named = added.has(first) || labels.iter().any(|label| label == first);
    let end = labels.len().saturating_add(extra_ids);
    if !named && end <= size && added.by_id.range(labels.len()..end).next().is_none() {
        labels.extend((0..extra_ids).rev().map(|id| format!("<extra_id_{id}>")));
    }
    let mut known: HashSet<String> = labels.iter().cloned().collect();
    for id in labels.len()..size {
        let unused = || AddedToken { label: format!("<unused_{id}>"), special: true };
        let token = added.by_id.get(&id).filter(|token| known.insert(token.label.clone()));
        let token = token.cloned().unwrap_or_else(unused);
        if token.special { &mut *special } else { &mut *words }.push(token.label.clone());
        labels.push(token.label);
    }
    Ok(())
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, InterchangeError> {
    fs::read(path).map_err(|source| InterchangeError::Read { path: path.to_owned(), source })
}
