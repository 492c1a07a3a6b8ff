//! The models of `infer serve`: one run folder, or several with their languages.

use std::path::{Path, PathBuf};

use ::serve::ModelSpec;
use clap::error::ErrorKind;
use runs::layout;

use crate::options::UsageError;

/// What `--model` gives.
pub enum Models {
    /// A run folder of unknown languages.
    Single(PathBuf),
    /// Run folders with their languages.
    Several(Vec<ModelSpec>),
}

/// Parses the values of `--model`: a folder, or `SOURCES-TARGETS=DIR` once or more.
///
/// # Errors
/// Several folders without languages, the same languages twice, languages that make no pair, or a folder that holds no
/// model.
pub fn parse(values: &[String]) -> anyhow::Result<Models> {
    if let [folder] = values
        && named_model(folder).is_none()
    {
        return Ok(Models::Single(PathBuf::from(folder)));
    }
    let mut models: Vec<ModelSpec> = Vec::new();
    for value in values {
        let Some(model) = named_model(value) else {
            let message =
                format!("--model {value}: expected languages as in --model en-de={value}, since there are several");
            return Err(UsageError::new(ErrorKind::ValueValidation, message).into());
        };
        if let Err(problem) = check_pairs(&models, &model) {
            return Err(UsageError::new(ErrorKind::ValueValidation, format!("--model {value}: {problem}")).into());
        }
        check_folder(&model.folder)?;
        models.push(model);
    }
    Ok(Models::Several(models))
}

/// The model of `en-de=DIR`, or of lists as in `en,fr-de,fr=DIR`.
fn named_model(value: &str) -> Option<ModelSpec> {
    let (name, folder) = value.split_once('=')?;
    let (sources, targets) = name.split_once('-')?;
    let codes = |list: &str| list.split(',').map(str::to_string).collect::<Vec<_>>();
    let (sources, targets) = (codes(sources), codes(targets));
    let are_codes = sources.iter().chain(&targets).all(|code| is_code(code));
    are_codes.then(|| ModelSpec { name: name.to_string(), sources, targets, folder: PathBuf::from(folder) })
}

/// Checks that a model translates some language into another, and none of its pairs is another model's.
///
/// # Errors
/// What was found, and the remedy.
pub fn check_pairs(others: &[ModelSpec], model: &ModelSpec) -> Result<(), String> {
    if model.pairs().next().is_none() {
        let (sources, targets) = (model.sources.join(","), model.targets.join(","));
        return Err(format!("found {sources} to {targets}; expected a source and another target"));
    }
    for other in others {
        if let Some((source, target)) = model.pairs().find(|(source, target)| other.translates(source, target)) {
            let name = &other.name;
            return Err(format!("found {source} to {target} a second time, after {name}; give each pair once"));
        }
    }
    Ok(())
}

/// Whether a text is a code of a language, such as `en`, `zh_Hant` or `eng_Latn`.
pub fn is_code(code: &str) -> bool {
    let letters = code.split('_').next().unwrap_or_default();
    (2..=3).contains(&letters.len()) && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Checks that a folder holds a model.
///
/// # Errors
/// A folder without weights.
pub fn check_folder(folder: &Path) -> anyhow::Result<()> {
    let weights = folder.join(layout::WEIGHTS);
    let remedy = "give the folder of a trained model";
    anyhow::ensure!(weights.is_file(), "{}: found no such file; {remedy}", weights.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_have_languages() {
        let names = |value: &str| {
            named_model(value).map(|model| (model.sources.join("+"), model.targets.join("+"), model.folder))
        };
        let expected = |sources: &str, targets: &str, folder: &str| {
            Some((sources.to_string(), targets.to_string(), PathBuf::from(folder)))
        };
        assert_eq!(names("en-zh_Hant=runs/a=b"), expected("en", "zh_Hant", "runs/a=b"));
        assert_eq!(names("en,de-fr=a"), expected("en+de", "fr", "a"));
        assert_eq!(names("en,-fr=a"), None);
        assert_eq!(names("runs/en-de"), None);
        assert_eq!(names("runs/a-b=c"), None);
        assert!(matches!(parse(&["runs/en-de".to_string()]), Ok(Models::Single(_))));
    }

    #[test]
    fn pairs_are_given_once() {
        let model = |value: &str| named_model(value).expect("a model");
        let models = [model("en,de-de,fr=a")];
        assert_eq!(check_pairs(&models, &model("de-en=b")), Ok(()));
        let error = check_pairs(&models, &model("de,en-en,fr=b")).expect_err("de to fr");
        assert!(error.contains("de to fr a second time, after en,de-de,fr"), "{error}");
        let error = check_pairs(&[], &model("en-en=b")).expect_err("no pair");
        assert!(error.contains("expected a source and another target"), "{error}");
    }
}
