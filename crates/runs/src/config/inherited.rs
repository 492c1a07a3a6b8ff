//! Fine-tuning: the tables that a configuration with `training.init_from` takes from the other run.
//!
//! Such a configuration need not repeat the network, the tokenizer or the settings of decoding: they belong to the
//! weights. Keys that it does set, such as `model.dropout`, count.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::{RunConfig, renamed, tokenizers};
use crate::error::RunError;
use crate::layout;

/// The tables that belong to the weights.
const TABLES: [&str; 3] = ["model", "tokenizer", "decoding"];

/// The keys of `[training]` with other defaults: weights that fit already need small, steady updates, not the paper's
/// peak after 4000 updates.
fn fine_tuning_defaults() -> [(&'static str, Value); 3] {
    [
        ("schedule", Value::String("constant".to_string())),
        ("learning_rate", Value::Float(1e-4)),
        ("warmup_steps", Value::Integer(100)),
    ]
}

/// Returns the configuration of `table` with everything that it inherits from `origin`, the run that `training.init_from`
/// names. `run` is the folder of a resumed run, which has the values inherited at its start; `origin` may no longer exist.
///
/// # Errors
/// A `config.toml` of the other run that cannot be read.
pub(super) fn complete(table: Table, origin: &Path, run: Option<&Path>) -> Result<RunConfig, RunError> {
    let resumed = run.map(|run| run.join(layout::CONFIG)).filter(|file| file.is_file());
    let file = resumed.clone().unwrap_or_else(|| origin.join(layout::CONFIG));
    let toml_error = |source| RunError::Toml { path: file.clone(), source: Box::new(source) };
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(source) => return Err(RunError::InitFrom { path: file, source }),
    };
    let mut inherited: Table = toml::from_str(&text).map_err(toml_error)?;
    renamed::use_new_names(&mut inherited);
    let mut base: Table = TABLES.iter().filter_map(|name| inherited.remove_entry(*name)).collect();
    let mut training = Table::new();
    for (key, default) in fine_tuning_defaults() {
        let of_run = inherited.get("training").and_then(|training| training.get(key));
        training.insert(key.to_string(), of_run.filter(|_| resumed.is_some()).cloned().unwrap_or(default));
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
