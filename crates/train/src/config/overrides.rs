//! `--set table.key=value`: fields of a configuration given on the command line.

use super::RunConfig;
use crate::error::TrainError;

/// The configuration that a file's table and all overrides together make.
pub(super) fn overridden(mut table: toml::Table, overrides: &[String]) -> Result<RunConfig, TrainError> {
    let parse = |table: &toml::Table| table.clone().try_into::<RunConfig>();
    let unchanged = parse(&table).map_err(|error| error.to_string());
    let mut culprit = None;
    for given in overrides {
        set(&mut table, given)?;
        // The override after which it first fails in a new way is the one to name, if it still fails in the end.
        match parse(&table) {
            Ok(_) => culprit = None,
            Err(error) if culprit.is_none() && unchanged.as_ref().err() != Some(&error.to_string()) => {
                culprit = Some(given);
            }
            Err(_) => {}
        }
    }
    parse(&table).map_err(|error| TrainError::Set {
        given: culprit.or(overrides.last()).cloned().unwrap_or_default(),
        reason: error.to_string().trim().to_string(),
    })
}

/// Puts `table.key=value` into the table; the value is TOML, or else a plain string.
fn set(table: &mut toml::Table, given: &str) -> Result<(), TrainError> {
    let fail = |reason: &str| TrainError::Set { given: given.to_string(), reason: reason.to_string() };
    let form = "expected table.key=value, for example training.steps=500";
    let (path, value) = given.split_once('=').ok_or_else(|| fail(form))?;
    let (tables, key) = path.trim().rsplit_once('.').ok_or_else(|| fail(form))?;
    let value = format!("value = {}", value.trim())
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.trim().to_string()));
    let mut target = table;
    for name in tables.split('.') {
        let entry = target.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        target = entry.as_table_mut().ok_or_else(|| fail(&format!("`{name}` is a value, not a table")))?;
    }
    target.insert(key.to_string(), value);
    Ok(())
}
