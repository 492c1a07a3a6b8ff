//! `--set table.key=value`: fields of a configuration given on the command line.

use super::RunConfig;
use crate::error::RunError;

/// The configuration that a file's text and all overrides together make. `in_file` makes an error of the text's own.
pub(super) fn overridden(
    text: &str,
    overrides: &[String],
    in_file: impl Fn(toml::de::Error) -> RunError,
) -> Result<RunConfig, RunError> {
    let mut table: toml::Table = toml::from_str(text).map_err(&in_file)?;
    let parse = |table: &toml::Table| table.clone().try_into::<RunConfig>();
    let fault = |table: &toml::Table| parse(table).err().map(|error| error.to_string());
    // What is wrong with the file, until an override mends it.
    let mut own = fault(&table);
    let mut culprit = None;
    for given in overrides {
        let (tables, key, value) = parts(given)?;
        set(&mut table, tables, key, value).map_err(|reason| match toml::from_str::<RunConfig>(text) {
            Err(error) => in_file(error), // the value that stands where a table belongs is the file's
            Ok(_) => RunError::Set { given: given.clone(), reason },
        })?;
        match fault(&table) {
            None => (own, culprit) = (None, None),
            // The override after which it first fails in a new way is the one to name, if it still fails in the end.
            now if culprit.is_none() && now != own => culprit = Some(given),
            _ => {}
        }
    }
    let named = |error: &toml::de::Error| {
        // Such an error ends with its place: "in `training.steps`".
        let place = error.to_string();
        overrides.iter().rev().find(|given| place.trim_end().ends_with(&format!("in `{}`", path(given))))
    };
    parse(&table).map_err(|error| match culprit.map(|culprit| named(&error).unwrap_or(culprit)) {
        Some(given) => RunError::Set { given: given.clone(), reason: error.to_string().trim().to_string() },
        // Only the text knows the line.
        None => in_file(toml::from_str::<RunConfig>(text).err().unwrap_or(error)),
    })
}

/// The `table.key` of an override.
fn path(given: &str) -> &str {
    given.split_once('=').map_or(given, |(path, _)| path).trim()
}

/// `table`, `key` and `value` of `table.key=value`; the table may lie in another.
fn parts(given: &str) -> Result<(&str, &str, &str), RunError> {
    let parts = given.split_once('=').and_then(|(path, value)| {
        let (tables, key) = path.trim().rsplit_once('.')?;
        Some((tables, key, value.trim()))
    });
    let reason = "expected table.key=value, for example training.steps=500";
    parts.ok_or_else(|| RunError::Set { given: given.to_string(), reason: reason.to_string() })
}

/// Puts a value into the table: TOML, or else a plain string. The reason where a table on its way is none.
fn set(table: &mut toml::Table, tables: &str, key: &str, value: &str) -> Result<(), String> {
    let value = format!("value = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(value.to_string()));
    let mut target = table;
    for name in tables.split('.') {
        let entry = target.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        target = entry.as_table_mut().ok_or_else(|| format!("`{name}` is a value, not a table"))?;
    }
    target.insert(key.to_string(), value);
    Ok(())
}
