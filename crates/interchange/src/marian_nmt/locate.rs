//! The files of a model: those that a configuration of Marian's decoder names, or those in the folder.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use super::model_file;
use super::yaml::Settings;
use crate::InterchangeError;

/// Maximum size of a configuration in bytes; larger files with the same extension are vocabularies.
const MAX_CONFIGURATION: u64 = 64 << 10;

/// Bytes at the start of a file that identify a model.
const START: u64 = 16;

/// The files of a model.
#[derive(Debug)]
pub struct Located {
    /// The model.
    pub model: PathBuf,
    /// The vocabularies of source and target, which may be one file.
    pub vocabularies: [PathBuf; 2],
    /// SentencePiece models beside vocabularies in YAML: source, target.
    pub pieces: Option<[PathBuf; 2]>,
    /// The configuration of the decoder.
    pub decoder: Option<(PathBuf, Settings)>,
}

/// Returns whether a folder has a model of Marian.
pub fn recognises(folder: &Path) -> bool {
    names(folder).is_ok_and(|names| !models(folder, &names).is_empty())
}

/// Finds the files of the model in a folder.
///
/// # Errors
/// None, or more than one, of a file that is needed.
pub fn locate(folder: &Path) -> Result<Located, InterchangeError> {
    let names = names(folder)?;
    let decoder = decoder_configuration(folder, &names)?;
    let wrong = |path: &Path, found: String, expected: &str| InterchangeError::File {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
        remedy: "give a folder with the files of one model",
    };
    let named = |key: &str| -> Result<Vec<PathBuf>, InterchangeError> {
        let Some((path, settings)) = &decoder else { return Ok(Vec::new()) };
        let named = settings.list(key).iter().map(|name| {
            // Only the name counts: paths are those of the machine where the file was written.
            let plain = Path::new(name).file_name().filter(|_| is_relative_inside(name));
            let plain = plain.ok_or_else(|| wrong(path, format!("{key}: {name:?}"), "paths inside the folder"))?;
            let file = folder.join(plain);
            if file.is_file() {
                return Ok(file);
            }
            Err(wrong(path, format!("{key}: {name}, which is missing"), "files in the folder"))
        });
        named.collect()
    };

    let model = match (&named("models")?[..], &models(folder, &names)[..]) {
        ([one], _) | ([], [one]) => one.clone(),
        ([], several) | (several, _) => {
            let list: Vec<String> = several.iter().map(|path| file_name(path)).collect();
            let found = if list.is_empty() { "no model".to_owned() } else { format!("the models {}", list.join(", ")) };
            return Err(wrong(folder, found, "one model, a file *.npz or *.bin"));
        }
    };
    let with_suffix = |suffix: &str| -> Vec<PathBuf> {
        names.iter().filter(|name| name.ends_with(suffix)).map(|name| folder.join(name)).collect()
    };
    let pieces = with_suffix(".spm");
    let of_side = |sides: [&str; 2]| -> Option<[PathBuf; 2]> {
        let side = |prefix: &str| pieces.iter().find(|path| file_name(path).starts_with(prefix)).cloned();
        Some([side(sides[0])?, side(sides[1])?])
    };
    let both = of_side(["source.", "target."]).or_else(|| of_side(["srcvocab.", "trgvocab."]));
    let vocabularies = match &named("vocabs")?[..] {
        [source, target] => Some([source.clone(), target.clone()]),
        [joint] => Some([joint.clone(), joint.clone()]),
        [] => {
            let yaml: Vec<PathBuf> = ["vocab.yml", "vocab.yaml"].into_iter().flat_map(with_suffix).collect();
            match (&yaml[..], &pieces[..], &both) {
                ([joint], ..) => Some([joint.clone(), joint.clone()]),
                ([], [joint], _) => Some([joint.clone(), joint.clone()]),
                ([], _, Some(both)) => Some(both.clone()),
                _ => None,
            }
        }
        _ => None,
    };
    let vocabularies = vocabularies.ok_or_else(|| {
        let expected =
            "one vocab.*.spm, srcvocab.*.spm with trgvocab.*.spm, or *.vocab.yml with source.spm and target.spm";
        wrong(folder, "no vocabularies that belong to the model".to_owned(), expected)
    })?;
    let joint = match &pieces[..] {
        [joint] => Some([joint.clone(), joint.clone()]),
        _ => None,
    };
    Ok(Located { model, vocabularies, pieces: both.or(joint), decoder })
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>, InterchangeError> {
    let failed = |source| InterchangeError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

fn models(folder: &Path, names: &[String]) -> Vec<PathBuf> {
    let is_model = |path: &PathBuf| {
        let mut start = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(START).read_to_end(&mut start));
        read.is_ok() && model_file::recognises(path, &start)
    };
    names.iter().map(|name| folder.join(name)).filter(is_model).collect()
}

/// The configuration of the decoder, which names models and vocabularies.
fn decoder_configuration(folder: &Path, names: &[String]) -> Result<Option<(PathBuf, Settings)>, InterchangeError> {
    let mut found: Vec<(PathBuf, Settings)> = Vec::new();
    for name in names.iter().filter(|name| name.ends_with(".yml") || name.ends_with(".yaml")) {
        let path = folder.join(name);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_CONFIGURATION) {
            continue;
        }
        let text = fs::read(&path).map_err(|source| InterchangeError::Read { path: path.clone(), source })?;
        // Other files, such as small vocabularies, are not configurations.
        let settings = Settings::new(&String::from_utf8_lossy(&text)).ok();
        found.extend(settings.filter(|settings| !settings.list("models").is_empty()).map(|settings| (path, settings)));
    }
    if let [(_, _), (path, _), ..] = &found[..] {
        return Err(InterchangeError::File {
            path: path.clone(),
            found: "a second configuration with `models`".to_owned(),
            expected: "one in the folder".to_owned(),
            remedy: "move the others away",
        });
    }
    Ok(found.pop())
}

/// Returns whether a path leads nowhere but below its folder.
fn is_relative_inside(path: &str) -> bool {
    Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
