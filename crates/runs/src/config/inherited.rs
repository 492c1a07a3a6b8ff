//! Fine-tuning: the tables that a configuration with `training.init_from` takes from the other run.
//!
//! Such a configuration need not repeat the network, the tokenizer or the settings of decoding: they belong to the
//! weights. Keys that it does set, such as `model.dropout`, count.

use std::fs;
use std::path::Path;

use model::ConfigError;
use serde::Deserialize;
use toml::{Table, Value};

use super::existing_vocabularies::{ExistingVocabularies, check_sides};
use super::{RunConfig, TaskConfig, TokenizersConfig, renamed, tokenizers};
use crate::error::RunError;
use crate::layout;

/// The tables that belong to the weights.
const TABLES: [&str; 3] = ["model", TOKENIZER, "decoding"];
const TOKENIZER: &str = "tokenizer";

/// The keys of `[training]` with other defaults: weights that fit already need small, steady updates, not the paper's
/// peak after 4000 updates. The schedule `"noam"` keeps its own, since its factor is no rate.
fn fine_tuning_defaults() -> [(&'static str, Value); 3] {
    [
        ("schedule", Value::String("constant".to_string())),
        ("learning_rate", Value::Float(1e-4)),
        ("warmup_steps", Value::Integer(100)),
    ]
}

/// Returns the configuration of `table` with everything that it inherits from `origin`, the run that `training.init_from`
/// names. `run` is the folder of a resumed run, which has the values inherited at its start; `origin` may no longer exist.
/// `task` is that of `table`, and `invalid` converts an error of `table`.
///
/// # Errors
/// A `config.toml` of the other run that cannot be read, or keys that contradict its vocabularies.
pub(super) fn complete(
    mut table: Table,
    task: &TaskConfig,
    origin: &Path,
    run: Option<&Path>,
    invalid: impl Fn(ConfigError) -> RunError,
) -> Result<RunConfig, RunError> {
    let resumed = run.filter(|run| run.join(layout::CONFIG).is_file());
    let (folder, name) = match resumed {
        Some(run) => (run, format!("the run {}", run.display())),
        None => (origin, format!("training.init_from = {}", origin.display())),
    };
    let file = folder.join(layout::CONFIG);
    let toml_error = |source| RunError::Toml { path: file.clone(), source: Box::new(source) };
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(source) => return Err(RunError::InitFrom { path: file, source }),
    };
    let mut inherited: Table = toml::from_str(&text).map_err(toml_error)?;
    renamed::use_new_names(&mut inherited);
    let mut base: Table = TABLES.iter().filter_map(|name| inherited.remove_entry(*name)).collect();
    match task {
        TaskConfig::Translate(_) => {
            if let Some(Value::Table(set)) = table.get(TOKENIZER) {
                let config = base.get(TOKENIZER).cloned().map(TokenizersConfig::deserialize).transpose();
                match (config.map_err(toml_error)?, resumed) {
                    // The rules of resuming compare the keys.
                    (Some(config), Some(_)) => check_sides(set, &name, config.joint()).map_err(invalid)?,
                    (Some(config), None) => {
                        ExistingVocabularies::open(folder, name, Some(config))?.check(set).map_err(invalid)?;
                    }
                    (None, Some(_) | None) => {
                        ExistingVocabularies::open(folder, name, None)?.check(set).map_err(invalid)?;
                        table.remove(TOKENIZER); // its other keys would be recorded with values that nothing has
                    }
                }
            }
        }
        TaskConfig::Generated(_) => {
            if base.remove(TOKENIZER).is_some() && !table.contains_key(TOKENIZER) {
                let expected = "a run of the same generated task, and this one has a [tokenizer] table";
                let remedy = "choose a run of the same task";
                return Err(invalid(ConfigError::new("training.init_from", origin.display(), expected, remedy)));
            }
        }
    }
    let schedule = table.get("training").and_then(|training| training.get("schedule"));
    let noam = schedule.and_then(Value::as_str) == Some("noam");
    let mut training = Table::new();
    for (key, default) in fine_tuning_defaults() {
        let of_run = inherited.get("training").and_then(|training| training.get(key));
        let of_run = of_run.filter(|_| resumed.is_some()).cloned();
        if let Some(value) = of_run.or_else(|| (!noam).then_some(default)) {
            training.insert(key.to_string(), value);
        }
    }
    base.insert("training".to_string(), training.into());
    tokenizers::spread(&mut base, &table);
    overlay(&mut base, table);
    // The configuration alone was parsed before, so an error lies in what is inherited.
    base.try_into().map_err(toml_error)
}

/// Inserts the keys of `above` into the tables of `base`.
fn overlay(base: &mut Table, above: Table) {
    for (key, value) in above {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(value)) => overlay(below, value),
            (_, value) => drop(base.insert(key, value)),
        }
    }
}
