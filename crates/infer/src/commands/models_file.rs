//! The table of models of `infer serve --models FILE`.

use std::path::{Path, PathBuf};

use ::serve::ModelSpec;
use anyhow::{Context, ensure};
use serde::Deserialize;

use super::models::{check_folder, check_pairs, is_code};

/// The models of a file.
#[derive(Debug)]
pub struct ModelTable {
    /// The models, in the order of the file.
    pub models: Vec<ModelSpec>,
    /// The language over which pairs without a model of their own are translated.
    pub pivot: Option<String>,
}

/// The keys of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    pivot: Option<String>,
    #[serde(default)]
    model: Vec<Entry>,
}

/// A table `[[model]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The name in requests; without one, `SOURCE-TARGET`.
    name: Option<String>,
    source: Codes,
    target: Codes,
    /// The run folder, relative to that of the file.
    folder: PathBuf,
}

/// A code of a language, or a list of them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a code of a language or a list of codes")]
enum Codes {
    One(String),
    Several(Vec<String>),
}

impl From<Codes> for Vec<String> {
    fn from(codes: Codes) -> Self {
        match codes {
            Codes::One(code) => vec![code],
            Codes::Several(codes) => codes,
        }
    }
}

impl ModelTable {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is unreadable, not TOML or without models; an unknown or missing key; a name or a language pair given
    /// twice; a language that is no code; a pivot that is no language of the models; or a folder without a model.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: the table of models cannot be read; give a file in TOML", path.display()))?;
        let table = Self::parse(&text, path.parent().unwrap_or(Path::new("")));
        let table = table.with_context(|| path.display().to_string())?;
        table.models.iter().try_for_each(|model| check_folder(&model.folder))?;
        Ok(table)
    }

    fn parse(text: &str, base: &Path) -> anyhow::Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            anyhow::anyhow!("line {line}: {}", error.message().replace('\n', " "))
        })?;
        ensure!(!file.model.is_empty(), "found no [[model]]; give at least one, with source, target and folder");
        let mut models: Vec<ModelSpec> = Vec::new();
        for Entry { name, source, target, folder } in file.model {
            let (sources, targets): (Vec<String>, Vec<String>) = (source.into(), target.into());
            for (field, codes) in [("source", &sources), ("target", &targets)] {
                ensure!(!codes.is_empty(), "model.{field}: found no language; expected a code, such as en");
                for code in codes {
                    ensure!(is_code(code), "model.{field} = {code:?}: expected a code of a language, such as en");
                }
            }
            let name = name.unwrap_or_else(|| format!("{}-{}", sources.join(","), targets.join(",")));
            ensure!(!name.trim().is_empty(), "model.name: found an empty name; write one, or omit the key");
            let is_taken = models.iter().any(|model| model.name == name);
            ensure!(!is_taken, "model.name = {name:?}: found it a second time; give each model its own name");
            let model = ModelSpec { name, sources, targets, folder: base.join(folder) };
            check_pairs(&models, &model).map_err(|problem| anyhow::anyhow!("model {:?}: {problem}", model.name))?;
            models.push(model);
        }
        if let Some(pivot) = &file.pivot {
            let is_known = models.iter().any(|model| model.languages().any(|language| language == pivot));
            ensure!(is_known, "pivot = {pivot:?}: expected a language of the models");
        }
        Ok(Self { models, pivot: file.pivot })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_names_models_folders_and_a_pivot() {
        let text = "pivot = 'en'\n[[model]]\nname = 'news'\nsource = 'de'\ntarget = 'en'\nfolder = 'a'\n\
                    [[model]]\nsource = 'en'\ntarget = 'fr'\nfolder = '/b'\n";
        let table = ModelTable::parse(text, Path::new("tables")).expect("a table");
        let found: Vec<_> = table.models.iter().map(|model| (&model.name[..], &model.folder)).collect();
        assert_eq!(found, [("news", &PathBuf::from("tables/a")), ("en-fr", &PathBuf::from("/b"))]);
        assert_eq!(table.pivot.as_deref(), Some("en"));
    }

    #[test]
    fn a_model_may_have_lists_of_languages() {
        let text = "[[model]]\nsource = ['de', 'en']\ntarget = ['en', 'fr']\nfolder = 'a'\n";
        let table = ModelTable::parse(text, Path::new("")).expect("a table");
        let pairs: Vec<_> = table.models[0].pairs().collect();
        assert_eq!(
            (&table.models[0].name[..], &pairs[..]),
            ("de,en-en,fr", &[("de", "en"), ("de", "fr"), ("en", "fr")][..])
        );
    }

    #[test]
    fn bad_tables_have_one_message() {
        let model = "[[model]]\nsource = 'en'\ntarget = 'de'\nfolder = 'a'\n";
        for (text, part) in [
            (String::new(), "found no [[model]]"),
            ("model = 1".to_string(), "line 1: "),
            ("[[model]\n".to_string(), "line 1: "),
            (format!("{model}[[model]]\nsource = 'en'\n"), "missing field `target`"),
            (format!("{model}path = 'b'\n"), "line 5: unknown field `path`"),
            (model.replace("'en'", "'English'"), "model.source = \"English\""),
            (format!("{model}{model}"), "model.name = \"en-de\": found it a second time"),
            (format!("{model}{model}name = 'b'\n"), "model \"b\": found en to de a second time, after en-de"),
            (model.replace("'en'", "[]"), "model.source: found no language"),
            (model.replace("'en'", "1"), "expected a code of a language or a list of codes"),
            (model.replace("'en'", "['de']"), "expected a source and another target"),
            (format!("{model}name = ''\n"), "found an empty name"),
            (format!("pivot = 'fr'\n{model}"), "pivot = \"fr\": expected a language of the models"),
        ] {
            let error = ModelTable::parse(&text, Path::new("")).expect_err(&text);
            let message = error.to_string();
            assert!(message.contains(part) && !message.contains('\n'), "{text}: {message}");
        }
    }
}
