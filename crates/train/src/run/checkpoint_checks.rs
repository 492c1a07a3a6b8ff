//! Checks of a checkpoint's contents. Each failure is a reason, to which the caller adds the file.

use std::collections::{BTreeMap, BTreeSet};

use model::weights::NamedTensor;
use serde_json::Value;

/// The largest count of any run, far below an overflow of sums.
const LARGEST_COUNT: u64 = 1 << 53;

/// Checks that contents are those of a step; earlier versions did not note it in every file.
pub(super) fn check_step(found: Option<u64>, expected: u64) -> Result<(), String> {
    match found {
        Some(found) if found != expected => Err(format!("found the contents of step {found}, expected {expected}")),
        Some(_) | None => Ok(()),
    }
}

/// Checks that every count of `state.json` is one that a run can reach.
pub(super) fn check_counts(state: &Value) -> Result<(), String> {
    for (key, value) in state.as_object().into_iter().flatten() {
        if let Some(found) = value.as_u64().filter(|&count| count > LARGEST_COUNT) {
            return Err(format!("{key} = {found}: expected at most {LARGEST_COUNT}"));
        }
        check_counts(value)?;
        value.as_array().into_iter().flatten().try_for_each(check_counts)?;
    }
    Ok(())
}

/// Checks that each tensor is a moment of a weight of this model, and that every weight has both moments.
pub(super) fn check_moments(moments: &[NamedTensor], sizes: &BTreeMap<String, usize>, step: u64) -> Result<(), String> {
    let (mut first, mut second) = (BTreeSet::new(), BTreeSet::new());
    for moment in moments {
        let (kind, name) = moment.name.split_once('.').unwrap_or_default();
        match kind {
            "first" => first.insert(name),
            "second" => second.insert(name),
            _ => return Err(format!("tensor `{}` is not of an optimizer", moment.name)),
        };
        if sizes.get(name) != Some(&moment.values.len()) {
            return Err(format!("tensor `{}` fits no weight of the model", moment.name));
        }
    }
    match first.symmetric_difference(&second).next() {
        Some(name) => Err(format!("one moment of `{name}` is there without the other")),
        None if first.is_empty() && step > 0 => Err(format!("no moments after {step} steps")),
        None => Ok(()),
    }
}

/// Checks that tensors are exactly those of these names and numbers of values.
pub(super) fn check_complete(tensors: &[NamedTensor], sizes: &BTreeMap<String, usize>) -> Result<(), String> {
    if tensors.len() != sizes.len() {
        return Err(format!("{} weights, expected {}", tensors.len(), sizes.len()));
    }
    match tensors.iter().find(|tensor| sizes.get(&tensor.name) != Some(&tensor.values.len())) {
        Some(tensor) => Err(format!("tensor `{}` fits no weight of the model", tensor.name)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_optimizer_lacking_a_moment_is_rejected() {
        let sizes = BTreeMap::from([("a", 2), ("b", 1)].map(|(name, size)| (name.to_string(), size)));
        let moment = |name: &str| {
            let size = if name.ends_with('a') { 2 } else { 1 };
            NamedTensor { name: name.to_string(), shape: vec![size], values: vec![0.0; size] }
        };
        let check = |names: &[&str], step| {
            check_moments(&names.iter().map(|name| moment(name)).collect::<Vec<_>>(), &sizes, step)
        };
        assert_eq!(check(&["first.a", "first.b", "second.b", "second.a"], 5), Ok(()));
        assert_eq!(check(&[], 0), Ok(()));
        for (names, reason) in [
            (&["first.a", "second.b"][..], "one moment of `a`"),
            (&["first.a", "first.b", "second.b"], "one moment of `a`"),
            (&["first.a", "third.a"], "`third.a` is not of an optimizer"),
            (&["first.c", "second.c"], "`first.c` fits no weight"),
            (&[], "no moments after 5 steps"),
        ] {
            assert!(check(names, 5).is_err_and(|error| error.contains(reason)), "{names:?}");
        }
    }

    #[test]
    fn counts_beyond_any_run_are_named() {
        let state = |tokens: u64| json!({"step": 3, "a": [{"b": {"tokens": tokens}}]});
        assert_eq!(check_counts(&state(LARGEST_COUNT)), Ok(()));
        assert!(check_counts(&state(u64::MAX)).is_err_and(|error| error.starts_with("tokens = 18446744073709551615:")));
    }
}
