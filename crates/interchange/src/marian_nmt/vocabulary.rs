//! Vocabularies of Marian: SentencePiece models, or YAML files beside them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use text::{SpecialIds, Tokenizer};

use super::locate::Located;
use super::yaml::{shortened, unquoted};
use crate::InterchangeError;
use crate::marian::sentencepiece;

/// Reads the tokenizers of source and target, for vocabularies of these sizes, `<pad>` included.
///
/// # Errors
/// A file that cannot be read, is malformed, or does not fit the model.
pub fn read(located: &Located, sizes: [usize; 2]) -> Result<[Tokenizer; 2], InterchangeError> {
    let side = |side: usize| -> Result<Tokenizer, InterchangeError> {
        let path = &located.vocabularies[side];
        let bytes = bytes(path)?;
        let is_spm = path.extension().is_some_and(|extension| extension == "spm");
        let (pieces_path, pieces, labels) = if is_spm {
            (path, sentencepiece::read(&bytes, path)?, sentencepiece::labels(&bytes, path)?)
        } else {
            let labels = yaml_labels(&bytes, path)?;
            let Some(pieces) = &located.pieces else {
                let expected = "source.spm and target.spm beside it: its entries are subwords of some other program";
                return Err(wrong(path, "a vocabulary in YAML alone".to_owned(), expected));
            };
            let path = &pieces[side];
            (path, sentencepiece::read(&self::bytes(path)?, path)?, labels)
        };
        if labels.len() + 1 != sizes[side] {
            let expected = format!("{} of dim-vocabs", sizes[side] - 1);
            return Err(wrong(path, format!("{} entries", labels.len()), &expected));
        }
        let (labels, special) = with_padding(labels, path)?;
        Ok(Tokenizer::from_sentencepiece(&pieces, &labels, special, pieces_path)?)
    };
    Ok([side(0)?, side(1)?])
}

/// Adds `<pad>`, and puts the special tokens where they are here.
fn with_padding(mut labels: Vec<String>, path: &Path) -> Result<(Vec<String>, SpecialIds), InterchangeError> {
    if labels.iter().any(|label| label == "<pad>") {
        return Err(wrong(path, "an entry \"<pad>\"".to_owned(), "none: Marian pads with </s>"));
    }
    let id = |label: &str| {
        let id = labels.iter().position(|other| other == label);
        let missing = || wrong(path, format!("no entry {label:?}"), "</s> and <unk>");
        id.map(|id| id as u32).ok_or_else(missing)
    };
    let special = SpecialIds { end: id("</s>")?, unknown: id("<unk>")?, padding: labels.len() as u32 };
    labels.push("<pad>".to_owned());
    let labels = special.original_ids(labels.len()).into_iter().map(|id| labels[id].clone()).collect();
    Ok((labels, special))
}

/// Reads lines of an entry and its id.
fn yaml_labels(bytes: &[u8], path: &Path) -> Result<Vec<String>, InterchangeError> {
    let expected = "lines of an entry, a colon and an id, from 0 up without gaps";
    let text = std::str::from_utf8(bytes).map_err(|_| wrong(path, "bytes that are no UTF-8".to_owned(), expected))?;
    let mut entries: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with("# ") || line == "---" {
            continue;
        }
        let entry =
            line.rsplit_once(':').and_then(|(label, id)| Some((id.trim().parse().ok()?, unquoted(label.trim()))));
        let line = || wrong(path, format!("line {}, {:?}", number + 1, shortened(line)), expected);
        entries.push(entry.ok_or_else(line)?);
    }
    entries.sort();
    if let Some((at, (id, label))) = entries.iter().enumerate().find(|(at, (id, _))| at != id) {
        return Err(wrong(path, format!("the id {id} for {label:?} in place of {at}"), expected));
    }
    let labels: Vec<String> = entries.into_iter().map(|(_, label)| label).collect();
    let mut known = BTreeSet::new();
    match labels.iter().find(|label| !known.insert(label.as_str())) {
        None => Ok(labels.clone()),
        Some(label) => Err(wrong(path, format!("the entry {label:?} twice"), expected)),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, InterchangeError> {
    fs::read(path).map_err(|source| InterchangeError::Read { path: path.to_owned(), source })
}

fn wrong(path: &Path, found: String, expected: &str) -> InterchangeError {
    let remedy = "give a folder with the files of one model";
    InterchangeError::File { path: path.to_owned(), found, expected: expected.to_owned(), remedy }
}
