//! Packing: from weights by name to weights laid out for decoding.

use std::collections::HashMap;
use std::path::Path;

use kernels::decode::PackedMatrix;
use model::config::{Activation, NormKind, NormOrder, PositionKind, Tie};
use model::position::{SinusoidLayout, sinusoids};
use model::safetensors_reader::SafetensorsReader;
use model::weights::{NamedTensor, WeightsError};
use model::{ModelConfig, VocabularySizes};

use super::CpuEngine;
use super::layers::{
    CrossAttention, DecoderLayer, Embedding, EncoderLayer, FeedForward, Nonlinearity, Norm, Norms, Residual,
    SelfAttention,
};

/// Gives the tensor of a name and shape.
type Read<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, WeightsError> + 'a;

impl CpuEngine {
    /// Packs the weights of a network.
    ///
    /// # Panics
    /// Tensors that are not those of a network of this configuration.
    pub fn from_tensors(tensors: &[NamedTensor], config: &ModelConfig, sizes: VocabularySizes) -> Self {
        let by_name: HashMap<&str, &NamedTensor> =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let mut read = |name: &str, _: &[usize]| {
            let tensor = by_name.get(name).ok_or_else(|| WeightsError::Missing(name.to_string()))?;
            Ok(tensor.values.clone())
        };
        let engine = Loader { config, sizes, parameters: 0, read: &mut read }.engine();
        engine.expect("a network has all weights of its own configuration")
    }

    /// Reads a weights file, one tensor at a time.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or belongs to another configuration or vocabulary.
    pub fn open(path: &Path, config: &ModelConfig, sizes: VocabularySizes) -> Result<Self, WeightsError> {
        let mut file = SafetensorsReader::open(path)?;
        let mut read = |name: &str, shape: &[usize]| Ok(file.read(name, shape)?.values);
        let engine = Loader { config, sizes, parameters: 0, read: &mut read }.engine()?;
        file.finish()?;
        Ok(engine)
    }
}

struct Loader<'a> {
    config: &'a ModelConfig,
    sizes: VocabularySizes,
    /// Weights read so far.
    parameters: usize,
    read: &'a mut Read<'a>,
}

impl Loader<'_> {
    fn engine(mut self) -> Result<CpuEngine, WeightsError> {
        let (config, sizes) = (self.config, self.sizes);
        let (source, target, output) = self.embeddings()?;
        let source_positions = self.positions("source_positions")?;
        let target_positions = self.positions("target_positions")?;
        let encoder = (0..config.encoder_layers).map(|layer| self.encoder_layer(layer)).collect::<Result<_, _>>()?;
        let decoder = (0..config.decoder_layers).map(|layer| self.decoder_layer(layer)).collect::<Result<_, _>>()?;
        let norms = match config.norm {
            NormOrder::Post => Norms { encoder: None, decoder: None },
            NormOrder::Pre => {
                Norms { encoder: Some(self.norm("encoder.norm")?), decoder: Some(self.norm("decoder.norm")?) }
            }
        };
        Ok(CpuEngine {
            parameters: self.parameters,
            d_model: config.d_model,
            n_heads: config.n_heads,
            vocabulary: sizes.target,
            scale: (config.d_model as f32).sqrt(),
            source,
            target,
            source_positions,
            target_positions,
            encoder,
            decoder,
            norms,
            output,
        })
    }

    fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightsError> {
        self.parameters += shape.iter().product::<usize>();
        (self.read)(name, shape)
    }

    /// The tables of source and target, and the output projection.
    fn embeddings(&mut self) -> Result<(Embedding, Embedding, PackedMatrix), WeightsError> {
        let VocabularySizes { source, target } = self.sizes;
        let ModelConfig { d_model, tie, .. } = *self.config;
        let mut table = |name: &str, rows: usize| self.read(&format!("embeddings.{name}"), &[rows, d_model]);
        let (source, target, output) = match tie {
            Tie::All => (Embedding::Output, Embedding::Output, table("shared", target)?),
            Tie::Decoder => (Embedding::Own(table("source", source)?), Embedding::Output, table("target", target)?),
            Tie::None => {
                let tables = (table("source", source)?, table("target", target)?);
                (Embedding::Own(tables.0), Embedding::Own(tables.1), table("output", target)?)
            }
        };
        let bias = match self.config.output_bias {
            true => Some(self.read("embeddings.output_bias", &[self.sizes.target])?),
            false => None,
        };
        Ok((source, target, PackedMatrix::new(&output, bias.as_deref(), d_model)))
    }

    fn positions(&mut self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let ModelConfig { positions, max_length, d_model, .. } = *self.config;
        match positions {
            PositionKind::Learned => self.read(&format!("{name}.table"), &[max_length, d_model]),
            PositionKind::Sinusoidal => Ok(sinusoids(SinusoidLayout::Interleaved, max_length, d_model)),
            PositionKind::SinusoidalHalves => Ok(sinusoids(SinusoidLayout::Halves, max_length, d_model)),
        }
    }

    fn encoder_layer(&mut self, layer: usize) -> Result<EncoderLayer, WeightsError> {
        let name = format!("encoder.layers.{layer}");
        Ok(EncoderLayer { self_attention: self.self_attention(&name)?, feed_forward: self.feed_forward(&name)? })
    }

    fn decoder_layer(&mut self, layer: usize) -> Result<DecoderLayer, WeightsError> {
        let name = format!("decoder.layers.{layer}");
        Ok(DecoderLayer {
            self_attention: self.self_attention(&name)?,
            cross_attention: self.cross_attention(&name)?,
            feed_forward: self.feed_forward(&name)?,
        })
    }

    fn self_attention(&mut self, layer: &str) -> Result<SelfAttention, WeightsError> {
        let (name, d_model) = (format!("{layer}.self_attention"), self.config.d_model);
        Ok(SelfAttention {
            projections: self.stacked(&name, &["query", "key", "value"])?,
            output: self.linear(&format!("{name}.output"), d_model, d_model)?,
            residual: self.residual(&name)?,
        })
    }

    fn cross_attention(&mut self, layer: &str) -> Result<CrossAttention, WeightsError> {
        let (name, d_model) = (format!("{layer}.cross_attention"), self.config.d_model);
        Ok(CrossAttention {
            query: self.linear(&format!("{name}.query"), d_model, d_model)?,
            key_value: self.stacked(&name, &["key", "value"])?,
            output: self.linear(&format!("{name}.output"), d_model, d_model)?,
            residual: self.residual(&name)?,
        })
    }

    fn feed_forward(&mut self, layer: &str) -> Result<FeedForward, WeightsError> {
        let name = format!("{layer}.feed_forward");
        let ModelConfig { d_model, d_ff, activation, .. } = *self.config;
        Ok(FeedForward {
            inner: self.linear(&format!("{name}.inner"), d_ff, d_model)?,
            nonlinearity: match activation {
                Activation::Relu => Nonlinearity::Relu,
                Activation::Gelu => Nonlinearity::Gelu,
                Activation::Silu => Nonlinearity::Silu,
                Activation::Swiglu => Nonlinearity::Swiglu(self.linear(&format!("{name}.gate"), d_ff, d_model)?),
            },
            output: self.linear(&format!("{name}.output"), d_model, d_ff)?,
            residual: self.residual(&name)?,
        })
    }

    fn linear(&mut self, name: &str, d_output: usize, d_input: usize) -> Result<PackedMatrix, WeightsError> {
        let (weight, bias) = self.weight_and_bias(name, d_output, d_input)?;
        Ok(PackedMatrix::new(&weight, bias.as_deref(), d_input))
    }

    /// Projections of one width over the same input, as one.
    fn stacked(&mut self, attention: &str, names: &[&str]) -> Result<PackedMatrix, WeightsError> {
        let d_model = self.config.d_model;
        let projections = names
            .iter()
            .map(|name| self.weight_and_bias(&format!("{attention}.{name}"), d_model, d_model))
            .collect::<Result<Vec<_>, _>>()?;
        let slices: Vec<(&[f32], Option<&[f32]>)> =
            projections.iter().map(|(weight, bias)| (&weight[..], bias.as_deref())).collect();
        Ok(PackedMatrix::stacked(&slices, d_model))
    }

    fn weight_and_bias(
        &mut self,
        name: &str,
        d_output: usize,
        d_input: usize,
    ) -> Result<(Vec<f32>, Option<Vec<f32>>), WeightsError> {
        let weight = self.read(&format!("{name}.weight"), &[d_output, d_input])?;
        let bias = match self.config.bias {
            true => Some(self.read(&format!("{name}.bias"), &[d_output])?),
            false => None,
        };
        Ok((weight, bias))
    }

    fn residual(&mut self, sublayer: &str) -> Result<Residual, WeightsError> {
        Ok(Residual { order: self.config.norm, norm: self.norm(&format!("{sublayer}_residual.norm"))? })
    }

    fn norm(&mut self, name: &str) -> Result<Norm, WeightsError> {
        let width = [self.config.d_model];
        let gamma = self.read(&format!("{name}.gamma"), &width)?;
        let beta = match self.config.norm_kind {
            NormKind::Layer => Some(self.read(&format!("{name}.beta"), &width)?),
            NormKind::Rms => None,
        };
        Ok(Norm { gamma, beta })
    }
}
