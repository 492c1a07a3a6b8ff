//! A trained model: a run folder opened for decoding. Files that do not match each other are rejected.

use std::ops::Deref;
use std::path::Path;

use burn::tensor::Device;
use model::{ConfigError, Transformer, backend};
use runs::config::DecodingPrecision;
use runs::{SavedModel, layout};
use text::Direction;

use crate::engine::{self, Engine, Ensemble};
use crate::error::DecodeError;
use crate::settings::Settings;
use crate::shortlist::Shortlist;
use crate::two_directions::Opposite;

/// An engine with its configuration and tokenizers, which it dereferences to.
#[derive(Debug)]
pub struct TrainedModel {
    /// Configuration and tokenizers.
    pub saved: SavedModel,
    /// The device of the engine.
    pub device: Device,
    /// The engine that decodes.
    pub engine: Box<dyn Engine>,
    /// The other models of an ensemble that read or write tokens in another order, if there are any.
    pub opposite: Option<Opposite>,
    /// The target tokens by source token that translations are restricted to, if they are. Scores of given translations
    /// and recordings are not.
    pub shortlist: Option<Shortlist>,
}

impl Deref for TrainedModel {
    type Target = SavedModel;

    fn deref(&self) -> &SavedModel {
        &self.saved
    }
}

impl TrainedModel {
    /// Opens a run folder on a device without autodiff, to decode in the precision of its weights.
    ///
    /// # Errors
    /// A file that is missing, damaged, of another kind, or that disagrees with the others.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, DecodeError> {
        Self::open_in(folder, device, None)
    }

    /// Opens a run folder on a device without autodiff, to decode in a precision; without one, in that of its weights.
    ///
    /// # Errors
    /// As [`open`](Self::open); a precision that the device or the processor does not have.
    pub fn open_in(folder: &Path, device: &Device, precision: Option<DecodingPrecision>) -> Result<Self, DecodeError> {
        check_precision(device, precision)?;
        let saved = SavedModel::open(folder)?;
        let path = folder.join(layout::WEIGHTS);
        let engine = engine::open(&path, &saved.config, saved.sizes, device, precision)
            .map_err(|source| DecodeError::Weights { path, source })?;
        Ok(Self { saved, device: device.clone(), engine, opposite: None, shortlist: None })
    }

    /// Opens run folders on a device without autodiff, to decode with the mean of their log-probabilities. Configuration and
    /// settings are those of the first, but `max_length` is that of the shortest. Models may read and write tokens in two
    /// orders ([`two_directions`](crate::two_directions)).
    ///
    /// # Errors
    /// As [`open_in`](Self::open_in); no folder; models with different vocabularies, or of more than two orders.
    pub fn open_ensemble(
        folders: &[impl AsRef<Path>],
        device: &Device,
        precision: Option<DecodingPrecision>,
    ) -> Result<Self, DecodeError> {
        let [first, others @ ..] = folders else {
            return Err(ConfigError::new("model", "none", "at least one run folder", "name one").into());
        };
        let mut trained = Self::open_in(first.as_ref(), device, precision)?;
        let order = directions(&trained.saved);
        let mut second = None;
        let (mut engines, mut of_second) = (Vec::new(), Vec::new());
        for folder in others {
            let other = Self::open_in(folder.as_ref(), device, precision)?;
            check_same_vocabularies(&trained.saved, &other.saved, folder.as_ref())?;
            trained.saved.config.max_length = trained.saved.config.max_length.min(other.config.max_length);
            let other_order = directions(&other.saved);
            if other_order == order {
                engines.push(other.engine);
                continue;
            }
            check_second_order(*second.get_or_insert(other_order), other_order, folder.as_ref())?;
            of_second.push(other.engine);
        }
        trained.engine = Ensemble::joined(trained.engine, engines);
        trained.opposite = second.map(|second: [Direction; 2]| {
            let share = of_second.len() as f64 / folders.len() as f64;
            let engine = Ensemble::joined(of_second.remove(0), of_second);
            let [reverses_source, reverses_target] = [0, 1].map(|side| second[side] != order[side]);
            Opposite { engine, share, reverses_source, reverses_target }
        });
        Ok(trained)
    }

    /// A model without a folder, from a network in memory.
    pub fn from_network(network: &Transformer, saved: SavedModel, device: Device) -> Self {
        let engine = engine::from_network(network, &saved.config, saved.sizes, &device);
        Self { saved, device, engine, opposite: None, shortlist: None }
    }

    /// The number of weights of all models.
    pub fn parameters(&self) -> usize {
        self.engines().map(Engine::parameters).sum()
    }

    /// The maximum number of hypotheses to decode together if a sentence has `rows_each`, however short the sources.
    pub fn max_rows(&self, rows_each: usize) -> usize {
        self.engines().map(|engine| engine.max_rows(rows_each)).fold(usize::MAX, usize::min)
    }

    fn engines(&self) -> impl Iterator<Item = &dyn Engine> {
        std::iter::once(&*self.engine).chain(self.opposite.iter().map(|opposite| &*opposite.engine))
    }

    /// The run's own settings: its `[decoding]` table, and one hypothesis for each text.
    pub fn settings(&self) -> Settings {
        Settings::new(self.decoding.clone())
    }
}

/// The orders in which a model reads sources and writes targets.
fn directions(saved: &SavedModel) -> [Direction; 2] {
    [saved.source_tokenizer.direction(), saved.target_tokenizer.direction()]
}

/// Rejects a model of an ensemble that neither has the order of the first nor that of the first other one.
fn check_second_order(second: [Direction; 2], found: [Direction; 2], folder: &Path) -> Result<(), DecodeError> {
    if found == second {
        return Ok(());
    }
    let names = |[source, target]: [Direction; 2]| format!("source {}, target {}", source.name(), target.name());
    let (path, found) = (folder.join(layout::CONFIG), format!("tokenizer.direction of {}", names(found)));
    Err(DecodeError::Ensemble { path, found, expected: format!("that of the first model, or {}", names(second)) })
}

/// Rejects a model of an ensemble with other vocabularies, naming the first difference. Directions may differ.
fn check_same_vocabularies(first: &SavedModel, other: &SavedModel, folder: &Path) -> Result<(), DecodeError> {
    for (name, first, other) in [
        (layout::SOURCE_TOKENIZER, &first.source_tokenizer, &other.source_tokenizer),
        (layout::TARGET_TOKENIZER, &first.target_tokenizer, &other.target_tokenizer),
    ] {
        if first.equals_in_some_direction(other) {
            continue;
        }
        let differing =
            first.labels().iter().zip(other.labels()).enumerate().find(|(_, (first, other))| first != other);
        let (found, expected) = match differing {
            Some((id, (first, other))) => (format!("{other:?} as token {id}"), format!("{first:?}")),
            None if first.vocab_size() != other.vocab_size() => {
                (format!("{} tokens", other.vocab_size()), first.vocab_size().to_string())
            }
            None => ("other rules".to_string(), "the same normalisation and merges".to_string()),
        };
        return Err(DecodeError::Ensemble { path: folder.join(name), found, expected });
    }
    Ok(())
}

/// Rejects a precision that the device or the processor does not have.
fn check_precision(device: &Device, precision: Option<DecodingPrecision>) -> Result<(), ConfigError> {
    let Some(precision) = precision else { return Ok(()) };
    let supported = match precision {
        DecodingPrecision::Float32 => true,
        DecodingPrecision::Bfloat16 | DecodingPrecision::Int8 => backend::is_flex(device),
    };
    if !supported {
        let remedy = "decode with --device flex, on the CPU, or in float32";
        return Err(ConfigError::new("precision", precision, "float32 on this device", remedy));
    }
    if precision == DecodingPrecision::Bfloat16 && !kernels::decode::bfloat16::available() {
        let expected = "float32 or int8 on this processor, which does not multiply bfloat16 (AVX-512 BF16)";
        return Err(ConfigError::new("precision", precision, expected, "decode in one of these"));
    }
    Ok(())
}
