//! The first difference between two configurations.

use std::collections::BTreeSet;

use serde::Serialize;
use toml::Value;

/// Returns the first key whose values differ, such as `training.seed: 1 there, 2 now`. `key` is the path of the two
/// tables, empty for whole configurations.
pub fn first_difference(key: &str, there: &impl Serialize, now: &impl Serialize) -> Option<String> {
    let (there, now) = (Value::try_from(there).ok(), Value::try_from(now).ok());
    between(key, there.as_ref(), now.as_ref())
}

fn between(key: &str, there: Option<&Value>, now: Option<&Value>) -> Option<String> {
    if let (Some(Value::Table(there)), Some(Value::Table(now))) = (there, now) {
        let names: BTreeSet<&String> = there.keys().chain(now.keys()).collect();
        let below = |name: &str| if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
        return names.into_iter().find_map(|name| between(&below(name), there.get(name), now.get(name)));
    }
    let written = |value: Option<&Value>| value.map_or("not set".to_string(), Value::to_string);
    (there != now).then(|| format!("{key}: {} there, {} now", written(there), written(now)))
}
