//! `--set table.key=value`: fields of a configuration given on the command line.

use super::{RunConfig, renamed};
use crate::error::RunError;

/// Applies the overrides to a file's text in order and parses the result. `in_file` converts an error of the file.
pub(super) fn overridden(
    text: &str,
    overrides: &[String],
    in_file: impl Fn(toml::de::Error) -> RunError,
) -> Result<RunConfig, RunError> {
    let mut table: toml::Table = toml::from_str(text).map_err(&in_file)?;
    renamed::use_new_names(&mut table);
    let parse = |table: &toml::Table| table.clone().try_into::<RunConfig>();
    let fault = |table: &toml::Table| parse(table).err().map(|error| error.to_string());
    // The error of the file, until an override corrects it.
    let mut own = fault(&table);
    let mut culprit = None;
    for given in overrides {
        let (tables, key, value) = parts(given)?;
        let key = renamed::new_name(tables, key);
        set(&mut table, tables, key, value).map_err(|reason| match toml::from_str::<RunConfig>(text) {
            Err(error) => in_file(error), // the file has a value in place of a table
            Ok(_) => RunError::Set { given: given.clone(), reason },
        })?;
        match fault(&table) {
            None => (own, culprit) = (None, None),
            // If it still fails in the end, the error names the override after which it first failed in a new way.
            now if culprit.is_none() && now != own => culprit = Some(given),
            _ => {}
        }
    }
    let named = |error: &toml::de::Error| {
        // Such an error ends with the path of the key: "in `training.steps`".
        let message = error.to_string();
        overrides.iter().rev().find(|given| message.trim_end().ends_with(&format!("in `{}`", path(given))))
    };
    parse(&table).map_err(|error| match culprit.map(|culprit| named(&error).unwrap_or(culprit)) {
        Some(given) => RunError::Set { given: given.clone(), reason: error.to_string().trim().to_string() },
        // Only the error of the text has the line.
        None => in_file(toml::from_str::<RunConfig>(text).err().unwrap_or(error)),
    })
}

/// Returns the table of a file's text, under new names, with overrides that [`overridden`] accepts.
pub(super) fn table(text: &str, overrides: &[String]) -> Result<toml::Table, toml::de::Error> {
    let mut table: toml::Table = toml::from_str(text)?;
    renamed::use_new_names(&mut table);
    for (tables, key, value) in overrides.iter().filter_map(|given| parts(given).ok()) {
        drop(set(&mut table, tables, renamed::new_name(tables, key), value));
    }
    Ok(table)
}

/// The `table.key` of an override, in its new name.
fn path(given: &str) -> String {
    let path = given.split_once('=').map_or(given, |(path, _)| path).trim();
    path.rsplit_once('.')
        .map_or(path.to_string(), |(tables, key)| format!("{tables}.{}", renamed::new_name(tables, key)))
}

/// Splits `table.key=value`; the table may be inside another.
fn parts(given: &str) -> Result<(&str, &str, &str), RunError> {
    let parts = given.split_once('=').and_then(|(path, value)| {
        let (tables, key) = path.trim().rsplit_once('.')?;
        Some((tables, key, value.trim()))
    });
    let reason = "expected table.key=value, for example training.steps=500";
    parts.ok_or_else(|| RunError::Set { given: given.to_string(), reason: reason.to_string() })
}

/// Inserts a value: TOML, or else a plain string. Returns the reason if a value stands in place of a table.
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
