//! Renamed keys, whose old names are still read.

use model::ConfigError;
use toml::{Table, Value};

/// A table with the old and the new name of one of its keys.
const RENAMED: [(&str, &str, &str); 3] = [
    ("training", "accumulate", "micro_batches"),
    ("training", "keep", "keep_checkpoints"),
    ("training", "export", "final_weights"),
];

/// Returns the current name of a key.
pub(super) fn new_name<'a>(table: &str, key: &'a str) -> &'a str {
    let renamed = RENAMED.iter().find(|(in_table, old, _)| (*in_table, *old) == (table.trim(), key.trim()));
    renamed.map_or(key, |(_, _, new)| new)
}

/// Rejects a configuration that has a key under both names.
pub(super) fn reject_both_names(config: &Table) -> Result<(), ConfigError> {
    for (table, old, new) in RENAMED {
        let Some(Value::Table(keys)) = config.get(table) else { continue };
        if let (Some(value), true) = (keys.get(old), keys.contains_key(new)) {
            let expected = format!("nothing beside {table}.{new}, which is the new name of the same key");
            return Err(ConfigError::new(&format!("{table}.{old}"), value, expected, "remove one of the two"));
        }
    }
    Ok(())
}

/// Replaces old names by new ones.
pub(super) fn use_new_names(config: &mut Table) {
    for (table, old, new) in RENAMED {
        let Some(Value::Table(keys)) = config.get_mut(table) else { continue };
        if let Some(value) = keys.remove(old) {
            keys.insert(new.to_string(), value);
        }
    }
}
