//! The keys that may change when a run is resumed.
//!
//! A resumed run must end with the bytes of a run that had its configuration from the start. So each key has a rule,
//! which follows from what the key has decided before the checkpoint.

use super::{DataConfig, GeneratedConfig, RunConfig, Schedule, TrainingConfig, TranslateConfig, ValidationConfig};

/// The condition under which a key may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeRule {
    /// Never, for this reason.
    Fixed(&'static str),
    /// Always: it decides only what is logged and kept from here on.
    Free,
    /// Always: the hash of the text in `corpora.json` decides whether it is the same corpus.
    Corpus,
    /// From the checkpoint's step on, if no update depends on the number of updates.
    Steps,
    /// Upwards, where 0 is the highest: an earlier stop would have been missed.
    Patience,
    /// Before the first validation.
    BeforeValidation,
}

use ResumeRule::{BeforeValidation, Corpus, Fixed, Free, Patience, Steps};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The step of the newest checkpoint.
    pub step: u64,
    /// The step of the weights in `model.safetensors`, if there are any.
    pub weights_step: Option<u64>,
}

/// The rules of a table. The fields are matched without `..`, so a new one does not compile until it has a rule.
macro_rules! rules {
    ($prefix:literal, $table:ident { $($field:ident: $rule:expr),* $(,)? }) => {{
        let _exhaustive = |table: &$table| {
            let $table { $($field: _),* } = table;
        };
        [$((concat!($prefix, stringify!($field)), $rule)),*]
    }};
}

/// Returns every key with its rule; that of a table holds for the keys in it that have none.
pub fn resume_rules() -> Vec<(&'static str, ResumeRule)> {
    const UPDATES: &str = "the updates so far depend on it";
    const DATA: &str = "the order or choice of the data depends on it";
    const KEPT: &str = "the weights of earlier steps, which it needs, are not kept";
    let tables = rules!(
        "",
        RunConfig {
            task: Fixed(DATA),
            tokenizer: Fixed("the vocabularies exist already"),
            data: Fixed(DATA),
            model: Fixed("the weights belong to that network"),
            training: Fixed(UPDATES),
            validation: Fixed(UPDATES),
            decoding: Fixed("validations decode with it; the options of `infer` override it"),
        }
    );
    let generated = rules!(
        "task.",
        GeneratedConfig { rule: Fixed(DATA), symbols: Fixed(DATA), min_length: Fixed(DATA), max_length: Fixed(DATA) }
    );
    let translate = rules!("task.", TranslateConfig { train: Corpus, validation: Corpus, test: Corpus });
    let data =
        rules!("data.", DataConfig { max_length: Fixed(DATA), max_ratio: Fixed(DATA), shuffle_buffer: Fixed(DATA) });
    let training = rules!(
        "training.",
        TrainingConfig {
            seed: Fixed(UPDATES),
            init_from: Fixed("the run started from those weights; that folder may be gone, but the key stays"),
            freeze: Fixed(UPDATES),
            lora: Fixed(UPDATES),
            steps: Steps,
            max_tokens: Fixed(UPDATES),
            micro_batches: Fixed(UPDATES),
            matmul_precision: Fixed(UPDATES),
            recompute: Fixed(UPDATES),
            optimizer: Fixed(UPDATES),
            weight_decay: Fixed(UPDATES),
            schedule: Fixed(UPDATES),
            learning_rate: Fixed(UPDATES),
            warmup_steps: Fixed(UPDATES),
            label_smoothing: Fixed(UPDATES),
            r_drop: Fixed(UPDATES),
            anneal_dropout: Fixed(UPDATES),
            clip_norm: Fixed(UPDATES),
            final_weights: Fixed(KEPT),
            average: Fixed(KEPT),
            ema: Fixed(KEPT),
            log_every: Free,
            checkpoint_every: Free,
            keep_checkpoints: Free,
        }
    );
    let validation = rules!(
        "validation.",
        ValidationConfig {
            every: BeforeValidation,
            sentences: Fixed(DATA),
            metric: BeforeValidation,
            patience: Patience,
            beam: BeforeValidation,
            tokenize: BeforeValidation,
            samples: Free,
        }
    );
    [&tables[..], &generated, &translate, &data, &training, &validation].concat()
}

/// Returns the rule of a key, or of the nearest table around it.
fn rule(key: &str) -> ResumeRule {
    let around = |table: &str| key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let rules = resume_rules().into_iter().filter(|(name, _)| around(name));
    rules.max_by_key(|(name, _)| name.len()).map_or(Fixed("the run depends on it"), |(_, rule)| rule)
}

/// Returns why a run cannot go on with another value of `key`, or `None` if it can.
pub fn why_not_changeable(key: &str, there: &RunConfig, now: &RunConfig, progress: Progress) -> Option<String> {
    match rule(key) {
        Fixed(reason) => Some(reason.to_string()),
        Free | Corpus => None,
        Steps => why_not_steps(now, progress),
        Patience => {
            let height = |config: &RunConfig| config.validation.patience.wrapping_sub(1); // 0 is the highest
            (height(now) < height(there)).then(|| "it may only rise, since an earlier stop would be missed".to_string())
        }
        BeforeValidation => {
            let first = there.validation.every.min(now.validation.every);
            let reason = format!("validations up to the checkpoint of step {} depend on it", progress.step);
            (progress.step >= first).then_some(reason).or_else(|| why_not_weights(now, progress))
        }
    }
}

fn why_not_steps(now: &RunConfig, progress: Progress) -> Option<String> {
    let training = &now.training;
    if let Some(option) = training.depends_on_steps() {
        return Some(format!("with {option} each update depends on it"));
    }
    if training.steps < progress.step {
        return Some(format!("the newest checkpoint has {} updates, expected at most training.steps", progress.step));
    }
    why_not_weights(now, progress)
}

/// Weights newer than the checkpoint are those of a validation that must come again.
fn why_not_weights(now: &RunConfig, progress: Progress) -> Option<String> {
    let step = progress.weights_step.filter(|&step| step > progress.step)?;
    let again = step == now.training.steps || (step < now.training.steps && step.is_multiple_of(now.validation.every));
    let reason = || format!("model.safetensors holds the weights of step {step}, where no validation would be");
    (!again).then(reason)
}

impl TrainingConfig {
    /// Returns the option by which updates depend on `steps`, the number of all updates.
    pub fn depends_on_steps(&self) -> Option<&'static str> {
        let schedule = match self.schedule {
            Schedule::Cosine => Some("training.schedule = \"cosine\""),
            Schedule::Noam | Schedule::InverseSqrt | Schedule::Constant => None,
        };
        schedule.or_else(|| self.anneal_dropout.map(|_| "training.anneal_dropout"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "[task]\nkind = \"copy\"\n";

    fn config(changes: &str) -> RunConfig {
        toml::from_str(&format!("{MINIMAL}{changes}")).unwrap()
    }

    fn changeable(key: &str, there: &str, now: &str, step: u64, weights_step: Option<u64>) -> bool {
        why_not_changeable(key, &config(there), &config(now), Progress { step, weights_step }).is_none()
    }

    #[test]
    fn a_key_has_its_own_rule_or_that_of_its_table() {
        assert_eq!(rule("training.log_every"), Free);
        assert_eq!(rule("task.train.source"), Corpus);
        assert_eq!(rule("training.r_drop.alpha"), rule("training.r_drop"));
        assert!(matches!(rule("task.kind"), Fixed(_)) && matches!(rule("model.d_model"), Fixed(_)));
    }

    #[test]
    fn patience_only_rises() {
        let patience = |n: usize| format!("[validation]\npatience = {n}\n");
        for (there, now, allowed) in [(3, 4, true), (3, 0, true), (4, 3, false), (0, 9, false)] {
            let found = changeable("validation.patience", &patience(there), &patience(now), 10, None);
            assert_eq!(found, allowed, "{there} to {now}");
        }
    }

    #[test]
    fn validations_change_before_the_first() {
        let every = |n: u64| format!("[training]\nsteps = 100\n[validation]\nevery = {n}\n");
        for (there, now, step, weights, allowed) in [
            (20, 30, 19, None, true),
            (20, 30, 20, None, false),
            (30, 20, 20, None, false),
            (20, 30, 10, Some(20), false), // killed after the validation of step 20
            (20, 10, 5, Some(20), true),
        ] {
            let found = changeable("validation.every", &every(there), &every(now), step, weights);
            assert_eq!(found, allowed, "{there} to {now} at {step}");
        }
    }

    #[test]
    fn steps_change_where_no_update_depends_on_them() {
        let steps = |n: u64, rest: &str| format!("[training]\nsteps = {n}\n{rest}[validation]\nevery = 20\n");
        for (rest, now, step, weights, allowed) in [
            ("", 80, 40, Some(40), true),
            ("", 40, 40, None, true),
            ("", 39, 40, None, false),
            ("", 80, 20, Some(50), false), // killed in the end of a run of 50
            ("", 50, 20, Some(50), true),
            ("", 80, 20, Some(40), true),
            ("", 30, 20, Some(40), false),
            ("schedule = \"constant\"\nlearning_rate = 0.1\n", 80, 40, None, true),
            ("schedule = \"inverse_sqrt\"\nlearning_rate = 0.1\n", 80, 40, None, true),
            ("schedule = \"cosine\"\nlearning_rate = 0.1\n", 80, 40, None, false),
            ("anneal_dropout = { to = 0.2 }\n", 80, 40, None, false),
        ] {
            let found = changeable("training.steps", &steps(50, rest), &steps(now, rest), step, weights);
            assert_eq!(found, allowed, "{rest} to {now} at {step}");
        }
    }
}
