//! The differences between two configurations.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use toml::Value;

/// A key with two values.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The path of the key, such as `training.seed`.
    pub key: String,
    /// The first value; `None` if it is not set.
    pub there: Option<Value>,
    /// The second value; `None` if it is not set.
    pub now: Option<Value>,
}

impl fmt::Display for Difference {
    /// `training.seed: 1 there, 2 now`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = |value: &Option<Value>| value.as_ref().map_or("not set".to_string(), Value::to_string);
        write!(f, "{}: {} there, {} now", self.key, written(&self.there), written(&self.now))
    }
}

/// Returns the keys whose values differ, in order. `key` is the path of the two tables, empty for whole configurations.
pub fn differences(key: &str, there: &impl Serialize, now: &impl Serialize) -> Vec<Difference> {
    let mut found = Vec::new();
    between(key, Value::try_from(there).ok(), Value::try_from(now).ok(), &mut found);
    found
}

/// Returns the first key whose values differ, such as `training.seed: 1 there, 2 now`.
pub fn first_difference(key: &str, there: &impl Serialize, now: &impl Serialize) -> Option<String> {
    differences(key, there, now).first().map(Difference::to_string)
}

fn between(key: &str, there: Option<Value>, now: Option<Value>, found: &mut Vec<Difference>) {
    if let (Some(Value::Table(there)), Some(Value::Table(now))) = (&there, &now) {
        let names: BTreeSet<&String> = there.keys().chain(now.keys()).collect();
        for name in names {
            let below = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            between(&below, there.get(name).cloned(), now.get(name).cloned(), found);
        }
    } else if there != now {
        found.push(Difference { key: key.to_string(), there, now });
    }
}
