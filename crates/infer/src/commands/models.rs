//! The models of `infer serve`: one run folder, or several with their languages.

use std::path::{Path, PathBuf};

use ::serve::{LanguagePair, ModelSpec};
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

/// Parses the values of `--model`: a folder, or `SOURCE-TARGET=DIR` once or more.
///
/// # Errors
/// Several folders without languages, the same languages twice, or a folder that holds no model.
pub fn parse(values: &[String]) -> anyhow::Result<Models> {
    if let [folder] = values
        && language_pair(folder).is_none()
    {
        return Ok(Models::Single(PathBuf::from(folder)));
    }
    let mut models: Vec<ModelSpec> = Vec::new();
    for value in values {
        let Some((pair, folder)) = language_pair(value) else {
            let message =
                format!("--model {value}: expected languages as in --model en-de={value}, since there are several");
            return Err(UsageError::new(ErrorKind::ValueValidation, message).into());
        };
        let name = format!("{}-{}", pair.source, pair.target);
        if models.iter().any(|model| model.name == name) {
            let message = format!("--model {value}: found {name} a second time; give each pair of languages once");
            return Err(UsageError::new(ErrorKind::ValueValidation, message).into());
        }
        check_folder(&folder)?;
        models.push(ModelSpec { name, pair: Some(pair), folder });
    }
    Ok(Models::Several(models))
}

/// The languages and the folder of `en-de=DIR`.
fn language_pair(value: &str) -> Option<(LanguagePair, PathBuf)> {
    let (pair, folder) = value.split_once('=')?;
    let (source, target) = pair.split_once('-')?;
    let pair = LanguagePair { source: source.to_string(), target: target.to_string() };
    (is_code(source) && is_code(target)).then(|| (pair, PathBuf::from(folder)))
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
        let names = |value: &str| language_pair(value).map(|(pair, folder)| (pair.source, pair.target, folder));
        let expected = ("en".to_string(), "zh_Hant".to_string(), PathBuf::from("runs/a=b"));
        assert_eq!(names("en-zh_Hant=runs/a=b"), Some(expected));
        assert_eq!(names("runs/en-de"), None);
        assert_eq!(names("runs/a-b=c"), None);
        assert!(matches!(parse(&["runs/en-de".to_string()]), Ok(Models::Single(_))));
    }
}
