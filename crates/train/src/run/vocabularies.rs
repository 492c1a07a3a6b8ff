//! Vocabularies that exist before a run: its own if it resumes, or those of the run that `training.init_from` names.

use std::path::Path;

use model::ConfigError;
use runs::ExistingRun;
use runs::config::{RunConfig, TokenizersConfig};
use text::{NormalizationRule, Tokenizer, TokenizerConfig};

use super::prepare::invalid;
use crate::data::Vocabularies;
use crate::error::TrainError;

/// Returns the vocabularies that exist already: those of the run being resumed, or of the run that `training.init_from`
/// names.
///
/// # Errors
/// Files that are missing or damaged, or vocabularies that contradict `[tokenizer]`.
pub fn initial_vocabularies(
    config: &RunConfig,
    output: &Path,
    existing: ExistingRun,
) -> Result<Option<Vocabularies>, TrainError> {
    if existing == ExistingRun::Resumable {
        return Ok(Some(Vocabularies::load(output)?));
    }
    let Some(origin) = &config.training.init_from else { return Ok(None) };
    let found = Vocabularies::load(origin).map_err(|source| TrainError::InitFromRun(source.into()))?;
    let (source, target) = (&*found.source, &*found.target);
    let check = |table: &'static str, config: &TokenizerConfig, vocabularies: &[&Tokenizer]| {
        Comparison { table, config, run: origin }.check(vocabularies).map_err(invalid)
    };
    match &config.tokenizer {
        None => {}
        Some(TokenizersConfig::Same(both)) => check("tokenizer", both, &[source, target])?,
        Some(TokenizersConfig::PerSide { source: of_source, target: of_target }) => {
            check("tokenizer.source", of_source, &[source])?;
            check("tokenizer.target", of_target, &[target])?;
        }
    }
    Ok(Some(found))
}

/// The comparison of one table of the configuration with the vocabularies of another run.
struct Comparison<'a> {
    table: &'static str,
    config: &'a TokenizerConfig,
    run: &'a Path,
}

impl Comparison<'_> {
    /// Rejects settings that contradict the vocabularies.
    fn check(&self, vocabularies: &[&Tokenizer]) -> Result<(), ConfigError> {
        let quoted = |name: &str| format!("{name:?}");
        for tokenizer in vocabularies {
            let (set, found) = (self.config.kind.name(), tokenizer.kind().name());
            let remedy = || format!("set {}.kind = {found:?} (and no dropout unless that is \"bpe\")", self.table);
            self.check_same("kind", &quoted(set), &quoted(found), "are", remedy)?;

            if let Some(rule) = self.config.normalization {
                let name = |rule: NormalizationRule| quoted(rule.name());
                let found = tokenizer.normalization().map_or("the model's own table".to_string(), name);
                self.check_same("normalization", &name(rule), &found, "have it", || self.without("normalization"))?;
            }

            let (set, found) = (self.config.direction.name(), tokenizer.direction().name());
            self.check_same("direction", &quoted(set), &quoted(found), "have it", || self.without("direction"))?;
        }
        self.check_dropout(vocabularies)
    }

    /// Rejects `set` as the value of `key`, unless it is `found`, that of the other run.
    fn check_same(
        &self,
        key: &str,
        set: &str,
        found: &str,
        verb: &str,
        remedy: impl FnOnce() -> String,
    ) -> Result<(), ConfigError> {
        if set == found {
            return Ok(());
        }
        let expected = format!("{found}, as the vocabularies of training.init_from = {} {verb}", self.run.display());
        Err(ConfigError::new(&format!("{}.{key}", self.table), set, expected, remedy()))
    }

    /// The remedy for a key that the vocabularies decide.
    fn without(&self, key: &str) -> String {
        format!("remove {}.{key}, or train a model of its own", self.table)
    }

    /// Rejects BPE-dropout for vocabularies without merges that it could skip, such as imported ones.
    fn check_dropout(&self, vocabularies: &[&Tokenizer]) -> Result<(), ConfigError> {
        if self.config.dropout == 0.0 || vocabularies.iter().all(|tokenizer| tokenizer.has_merges()) {
            return Ok(());
        }
        let run = self.run.display();
        Err(ConfigError::new(
            &format!("{}.dropout", self.table),
            self.config.dropout,
            format!("0, since the vocabularies of training.init_from = {run} segment by rules of their own"),
            format!("remove {}.dropout", self.table),
        ))
    }
}
