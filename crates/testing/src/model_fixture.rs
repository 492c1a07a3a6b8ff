//! Devices to test on, a small model, fixtures of PyTorch, and comparisons.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Bool, Device, Tensor, TensorData};
use model::weights::NamedTensor;
use model::{Batch, ModelConfig, Transformer, VocabularySizes, backend};
use safetensors::{Dtype, SafeTensors};

use crate::variants::variants;

/// Every CPU device in this build; GPUs have their own tests.
pub fn devices() -> Vec<Device> {
    let cpu = backend::compiled().into_iter().filter(|backend| !backend.is_gpu());
    cpu.map(|backend| backend.open().expect("a CPU is always there")).collect()
}

/// A small configuration with the paper's options.
pub fn small_config() -> ModelConfig {
    ModelConfig {
        d_model: 12,
        n_heads: 3,
        d_ff: 20,
        encoder_layers: 2,
        decoder_layers: 2,
        dropout: 0.0,
        max_length: 64,
        ..ModelConfig::default()
    }
}

/// One joint vocabulary of eleven entries.
pub fn small_sizes() -> VocabularySizes {
    VocabularySizes::joint(11)
}

/// An untrained model of [`small_config`].
pub fn small_model(device: &Device) -> Transformer {
    Transformer::new(&small_config(), small_sizes(), 7, device).expect("a valid configuration")
}

/// A ragged batch of pairs.
pub fn ragged_pairs() -> Vec<(Vec<u32>, Vec<u32>)> {
    vec![(vec![2, 3, 4, 5, 0], vec![3, 4, 0]), (vec![6, 0], vec![7, 8, 9, 2, 0]), (vec![9, 9, 2, 0], vec![2, 0])]
}

/// A batch of owned pairs.
pub fn batch(pairs: &[(Vec<u32>, Vec<u32>)], sizes: VocabularySizes, device: &Device) -> Batch {
    let pairs: Vec<(&[u32], &[u32])> = pairs.iter().map(|(source, target)| (&source[..], &target[..])).collect();
    Batch::new(&pairs, sizes, device)
}

/// The elements of a tensor in row-major order.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Expects equal lengths, and differences of at most `tolerance`.
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}: different lengths");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "{what}[{i}]: {a} is not {b} within {tolerance}");
    }
}

/// ‖a − b‖ ≤ relative · ‖b‖ + floor · (the largest norm of all): key biases have a true gradient of zero.
pub fn assert_gradients(found: &[NamedTensor], expected: &[NamedTensor], relative: f64, floor: f64) {
    let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let largest = expected.iter().map(|t| norm(&mut t.values.iter().copied())).fold(0.0, f64::max);
    assert!(largest > 0.0 && found.len() == expected.len(), "{} gradients, expected {}", found.len(), expected.len());
    for expected in expected {
        let Some(found) = found.iter().find(|t| t.name == expected.name) else {
            panic!("no gradient for {}", expected.name)
        };
        assert_eq!(found.shape, expected.shape, "{}", expected.name);
        let distance = norm(&mut found.values.iter().zip(&expected.values).map(|(a, b)| a - b));
        let allowed = relative * norm(&mut expected.values.iter().copied()) + floor * largest;
        assert!(distance <= allowed, "gradient of {}: off by {distance:e}, allowed {allowed:e}", expected.name);
    }
}

/// Values computed by PyTorch; see `scripts/fixtures/pytorch.py`.
pub struct Fixture {
    /// The file's name without its ending.
    pub name: String,
    floats: HashMap<String, NamedTensor>,
    ids: HashMap<String, (Vec<usize>, Vec<i64>)>,
    bools: HashMap<String, (Vec<usize>, Vec<bool>)>,
    /// The settings of the case.
    pub meta: serde_json::Value,
}

impl Fixture {
    /// Loads the fixture of this name.
    #[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
    pub fn load(name: &str) -> Self {
        let bytes = std::fs::read(folder().join(format!("{name}.safetensors"))).expect(name);
        let (_, header) = SafeTensors::read_metadata(&bytes).expect(name);
        let meta = header.metadata().as_ref().expect("metadata")["attend"].clone();
        let mut fixture = Self {
            name: name.to_string(),
            floats: HashMap::new(),
            ids: HashMap::new(),
            bools: HashMap::new(),
            meta: serde_json::from_str(&meta).expect("JSON"),
        };
        for (name, view) in SafeTensors::deserialize(&bytes).expect("tensors").iter() {
            let (name, shape, data) = (name.to_string(), view.shape().to_vec(), view.data());
            match view.dtype() {
                Dtype::F32 => {
                    let values = data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
                    fixture.floats.insert(name.clone(), NamedTensor { name, shape, values });
                }
                Dtype::I64 => {
                    let ids = data.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
                    fixture.ids.insert(name, (shape, ids));
                }
                Dtype::BOOL => {
                    fixture.bools.insert(name, (shape, data.iter().map(|&b| b != 0).collect()));
                }
                other => panic!("{name} is {other:?}"),
            }
        }
        fixture
    }

    /// The model's configuration.
    pub fn config(&self) -> ModelConfig {
        serde_json::from_value(self.meta["config"].clone()).expect("a model configuration")
    }

    /// The vocabularies' sizes.
    pub fn sizes(&self) -> VocabularySizes {
        let size = |key: &str| self.meta[key].as_u64().expect(key) as usize;
        VocabularySizes { source: size("source_vocab"), target: size("target_vocab") }
    }

    /// Whether the fixture has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.floats.contains_key(name) || self.bools.contains_key(name)
    }

    /// The elements of a float tensor.
    pub fn floats(&self, name: &str) -> &[f32] {
        &self.floats.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.name)).values
    }

    /// A float tensor on the device.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Tensor<D> {
        let tensor = &self.floats.get(name).unwrap_or_else(|| panic!("{}: no {name}", self.name));
        Tensor::from_data(TensorData::new(tensor.values.clone(), tensor.shape.clone()), device)
    }

    /// A key padding mask as `[batch, 1, 1, key]`.
    pub fn padding_mask(&self, name: &str, device: &Device) -> model::Mask {
        let (shape, hidden) = &self.bools[name];
        let data = TensorData::new(hidden.clone(), [shape[0], 1, 1, shape[1]]);
        Tensor::<4, Bool>::from_data(data, &device.clone().without_autodiff()).into()
    }

    /// All tensors under a prefix, named without it.
    pub fn under(&self, prefix: &str) -> Vec<NamedTensor> {
        let named = |(name, tensor): (&String, &NamedTensor)| {
            let name = name.strip_prefix(prefix)?.to_string();
            Some(NamedTensor { name, ..tensor.clone() })
        };
        self.floats.iter().filter_map(named).collect()
    }

    /// Rows of ids without their padding.
    pub fn sentences(&self, name: &str, pad: usize) -> Vec<Vec<u32>> {
        let (shape, ids) = &self.ids[name];
        let real = |row: &[i64]| row.iter().map(|&id| id as u32).take_while(|&id| id != pad as u32).collect();
        ids.chunks(shape[1]).map(real).collect()
    }

    /// The elements of an integer tensor.
    pub fn ids(&self, name: &str) -> &[i64] {
        &self.ids[name].1
    }

    /// The model with PyTorch's weights.
    pub fn transformer(&self, device: &Device) -> Transformer {
        let blank = Transformer::new(&self.config(), self.sizes(), 0, device).expect("a valid configuration");
        model::weights::load(blank, self.under("weight.")).expect("weights that fit")
    }

    /// The batch of the PyTorch computation.
    pub fn batch(&self, device: &Device) -> Batch {
        let sizes = self.sizes();
        let sources = self.sentences("source", sizes.source_pad());
        let targets = self.sentences("target_output", sizes.target_pad());
        let batch = batch(&sources.into_iter().zip(targets).collect::<Vec<_>>(), sizes, device);
        let read: Vec<i64> = batch.target_input.to_data().iter::<i64>().collect();
        assert_eq!(read, self.ids("target_input"), "the decoder's input is shifted as PyTorch's");
        batch
    }
}

/// Names of all fixtures of whole models.
///
/// # Panics
/// If a variant of the options has none.
pub fn transformer_fixtures() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the folder of fixtures");
    let files = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = files
        .filter(|file| file.starts_with("transformer_"))
        .filter_map(|file| file.strip_suffix(".safetensors").map(str::to_string))
        .collect();
    names.sort();
    let configs: Vec<ModelConfig> = names.iter().map(|name| Fixture::load(name).config()).collect();
    for variant in variants(&small_config()) {
        let covered = configs.iter().any(|config| variant.has_options_of(config));
        assert!(covered, "no PyTorch fixture for the variant {}: see scripts/fixtures/pytorch.py", variant.name());
    }
    names
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures")
}
