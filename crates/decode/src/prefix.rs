//! The forced beginning of every target.

use model::ConfigError;
use text::{Direction, Frames, UNKNOWN_ID};

use crate::error::DecodeError;
use crate::trained_model::TrainedModel;

/// Returns the first ids of every target: those of the model's frame, and those of `prefix`.
///
/// # Errors
/// A prefix that leaves no room for more tokens, that the vocabulary lacks, or that the model's direction excludes.
pub(crate) fn ids(prefix: &str, model: &TrainedModel, frames: &Frames) -> Result<Vec<u32>, DecodeError> {
    let backward = model.opposite.as_ref().is_some_and(|opposite| opposite.reverses_target);
    check_direction(prefix, if backward { Direction::RightToLeft } else { model.target_tokenizer.direction() })?;
    let mut ids = frames.target.before.clone();
    ids.extend(model.target_tokenizer.encode_text(prefix)?);
    let (found, limit) = (ids.len() + 1, model.config.max_length);
    if found > limit {
        return Err(DecodeError::PrefixTooLong { field: "prefix".to_string(), found, limit });
    }
    if ids[frames.target.before.len()..].contains(&UNKNOWN_ID) {
        let expected = "text that the target's vocabulary has tokens for";
        return Err(ConfigError::new("prefix", prefix, expected, "choose other words").into());
    }
    Ok(ids)
}

/// Rejects a prefix if a model writes the end of a text first.
fn check_direction(prefix: &str, direction: Direction) -> Result<(), ConfigError> {
    match direction {
        Direction::RightToLeft if !prefix.is_empty() => {
            let expected = "none, since a model writes the end of a text first (tokenizer.direction)";
            Err(ConfigError::new("prefix", prefix, expected, "remove it"))
        }
        Direction::LeftToRight | Direction::RightToLeft => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_requires_the_order_of_the_text() {
        assert!(check_direction("a", Direction::LeftToRight).is_ok());
        assert!(check_direction("", Direction::RightToLeft).is_ok());
        let error = check_direction("a", Direction::RightToLeft).unwrap_err().to_string();
        assert!(error.starts_with("prefix = a: expected none") && error.ends_with("remove it"), "{error}");
    }
}
