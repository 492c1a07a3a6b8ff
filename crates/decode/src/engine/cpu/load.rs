//! Packing: from weights by name to weights laid out for decoding.

mod matrices;
mod source;
mod tables;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use kernels::decode::{DistanceBias, Matrix, WeightMemory};
use matrices::Layer;
use model::config::{Activation, DecoderSelf as FirstSublayer, NormKind, NormOrder};
use model::safetensors_reader::{SafetensorsReader, StoredValues};
use model::weights::{NamedTensor, WeightsError};
use model::{ModelConfig, VocabularySizes};
use runs::config::DecodingPrecision;
use source::Source;

use super::CpuEngine;
use super::cores::Cores;
use super::layers::{
    CrossAttention, DecoderLayer, DecoderSelf, EncoderLayer, FeedForward, Heads, Nonlinearity, SelfAttention, Ssru,
};
use super::norms::{Norm, Norms, Residual};

impl CpuEngine {
    /// Packs the weights of a network.
    ///
    /// # Panics
    /// Tensors that are not those of a network of this configuration.
    pub fn from_tensors(
        tensors: &[NamedTensor],
        config: &ModelConfig,
        sizes: VocabularySizes,
        precision: DecodingPrecision,
    ) -> Self {
        let mut by_name: HashMap<&str, &NamedTensor> =
            tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let engine = Loader::new(config, sizes, precision, &mut by_name).engine();
        engine.expect("a network has all weights of its own configuration")
    }

    /// Reads a weights file, one tensor at a time. Without a precision, a quantised file decodes in int8, others in float32.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or belongs to another configuration or vocabulary.
    pub fn open(
        path: &Path,
        config: &ModelConfig,
        sizes: VocabularySizes,
        precision: Option<DecodingPrecision>,
    ) -> Result<Self, WeightsError> {
        let mut file = SafetensorsReader::open(path)?;
        let stored = if file.is_quantised() { DecodingPrecision::Int8 } else { DecodingPrecision::Float32 };
        let engine = Loader::new(config, sizes, precision.unwrap_or(stored), &mut file).engine()?;
        file.finish()?;
        Ok(engine)
    }
}

struct Loader<'a> {
    /// The configuration, and that of the decoder's layers.
    config: &'a ModelConfig,
    of_decoder: ModelConfig,
    sizes: VocabularySizes,
    precision: DecodingPrecision,
    /// Weights read so far.
    parameters: usize,
    memory: WeightMemory,
    source: &'a mut dyn Source,
}

impl<'a> Loader<'a> {
    fn new(
        config: &'a ModelConfig,
        sizes: VocabularySizes,
        precision: DecodingPrecision,
        source: &'a mut dyn Source,
    ) -> Self {
        let memory = WeightMemory::new(source.parameters() * precision.bytes());
        Self { config, of_decoder: config.of_decoder(), sizes, precision, parameters: 0, memory, source }
    }

    fn engine(mut self) -> Result<CpuEngine, WeightsError> {
        let (config, sizes) = (self.config, self.sizes);
        let (source, target, output) = self.embeddings()?;
        let source_positions = self.positions("source_positions")?;
        let target_positions = self.positions("target_positions")?;
        let biases = self.relative_positions("encoder", config, config.encoder_layers, true)?;
        let encoder = biases.into_iter().enumerate().map(|(layer, bias)| self.encoder_layer(layer, bias));
        let encoder = encoder.collect::<Result<_, _>>()?;
        let of_decoder = self.of_decoder.clone();
        let biases = self.relative_positions("decoder", &of_decoder, config.decoder_layers, false)?;
        let decoder = biases.into_iter().enumerate().map(|(layer, bias)| self.decoder_layer(layer, bias));
        let decoder = decoder.collect::<Result<_, _>>()?;
        let after_stacks = match config.norm {
            NormOrder::Post => false,
            NormOrder::Pre => true,
        };
        let norms = Norms {
            source: self.norm_if(config.embedding_norm, "source_embedding_norm")?,
            target: self.norm_if(config.embedding_norm, "target_embedding_norm")?,
            encoder: self.norm_if(after_stacks, "encoder.norm")?,
            decoder: self.norm_if(after_stacks, "decoder.norm")?,
        };
        Ok(CpuEngine {
            parameters: self.parameters,
            precision: self.precision,
            cores: Cores::new(self.parameters * self.precision.bytes()),
            d_model: config.d_model,
            decoder_self: config.decoder_self,
            decoder_width: match config.decoder_self {
                FirstSublayer::Attention => of_decoder.heads_width(),
                FirstSublayer::Ssru => config.d_model,
            },
            vocabulary: sizes.target,
            max_length: config.max_length,
            scale: config.embedding_scale() as f32,
            logit_scale: config.scale_logits.then(|| config.logit_scale() as f32),
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
        Ok(self.read_stored(name, shape)?.into_float32())
    }

    fn read_stored(&mut self, name: &str, shape: &[usize]) -> Result<StoredValues, WeightsError> {
        self.parameters += shape.iter().product::<usize>();
        self.source.read_stored(name, shape)
    }

    fn encoder_layer(&mut self, layer: usize, bias: Option<Arc<DistanceBias>>) -> Result<EncoderLayer, WeightsError> {
        let (name, config) = (format!("encoder.layers.{layer}"), self.config);
        Ok(EncoderLayer {
            self_attention: self.self_attention(&name, config, bias)?,
            feed_forward: self.feed_forward(&name, config)?,
        })
    }

    fn decoder_layer(&mut self, layer: usize, bias: Option<Arc<DistanceBias>>) -> Result<DecoderLayer, WeightsError> {
        let (name, config) = (format!("decoder.layers.{layer}"), &self.of_decoder.clone());
        Ok(DecoderLayer {
            first: match config.decoder_self {
                FirstSublayer::Attention => DecoderSelf::Attention(self.self_attention(&name, config, bias)?),
                FirstSublayer::Ssru => DecoderSelf::Ssru(self.ssru(&name)?),
            },
            cross_attention: self.cross_attention(&name, config)?,
            feed_forward: self.feed_forward(&name, config)?,
        })
    }

    fn self_attention(
        &mut self,
        layer: &str,
        config: &ModelConfig,
        bias: Option<Arc<DistanceBias>>,
    ) -> Result<SelfAttention, WeightsError> {
        let (name, width) = (format!("{layer}.self_attention"), config.heads_width());
        Ok(SelfAttention {
            projections: self.stacked(&name, &["query", "key", "value"], width)?,
            output: self.linear(&format!("{name}.output"), config.d_model, width)?,
            heads: heads(config, bias),
            residual: self.residual(&name)?,
        })
    }

    fn ssru(&mut self, layer: &str) -> Result<Ssru, WeightsError> {
        let (name, d_model) = (format!("{layer}.ssru"), self.config.d_model);
        let input = Layer { weight: format!("{name}.input.weight"), d_output: d_model, bias: None }; // W has no bias
        let forget = self.layer(&format!("{name}.forget"), d_model)?;
        Ok(Ssru {
            input_forget: self.matrix(vec![input, forget], d_model)?,
            residual: self.residual(&format!("{layer}.self_attention"))?,
        })
    }

    fn cross_attention(&mut self, layer: &str, config: &ModelConfig) -> Result<CrossAttention, WeightsError> {
        let (name, width) = (format!("{layer}.cross_attention"), config.heads_width());
        Ok(CrossAttention {
            query: self.linear(&format!("{name}.query"), width, config.d_model)?,
            key_value: self.stacked(&name, &["key", "value"], width)?,
            output: self.linear(&format!("{name}.output"), config.d_model, width)?,
            heads: heads(config, None),
            residual: self.residual(&name)?,
        })
    }

    fn feed_forward(&mut self, layer: &str, config: &ModelConfig) -> Result<FeedForward, WeightsError> {
        let name = format!("{layer}.feed_forward");
        let ModelConfig { d_model, d_ff, activation, .. } = *config;
        Ok(FeedForward {
            inner: self.linear(&format!("{name}.inner"), d_ff, d_model)?,
            nonlinearity: match activation {
                Activation::Relu => Nonlinearity::Relu,
                Activation::Gelu => Nonlinearity::Gelu,
                Activation::Silu => Nonlinearity::Silu,
                Activation::Swiglu => Nonlinearity::Swiglu(self.linear(&format!("{name}.gate"), d_ff, d_model)?),
                Activation::GeluTanh => Nonlinearity::GeluTanh,
                Activation::GegluTanh => {
                    Nonlinearity::GegluTanh(self.linear(&format!("{name}.gate"), d_ff, d_model)?)
                }
            },
            output: self.linear(&format!("{name}.output"), d_model, d_ff)?,
            residual: self.residual(&name)?,
        })
    }

    fn linear(&mut self, name: &str, d_output: usize, d_input: usize) -> Result<Matrix, WeightsError> {
        let layer = self.layer(name, d_output)?;
        self.matrix(vec![layer], d_input)
    }

    /// Projections to one width over the same input, as one.
    fn stacked(&mut self, attention: &str, names: &[&str], width: usize) -> Result<Matrix, WeightsError> {
        let projections = names
            .iter()
            .map(|name| self.layer(&format!("{attention}.{name}"), width))
            .collect::<Result<Vec<_>, _>>()?;
        self.matrix(projections, self.config.d_model)
    }

    /// A linear layer with its bias, if it has one.
    fn layer(&mut self, name: &str, d_output: usize) -> Result<Layer, WeightsError> {
        let bias = match self.config.bias {
            true => Some(self.read(&format!("{name}.bias"), &[d_output])?),
            false => None,
        };
        Ok(Layer { weight: format!("{name}.weight"), d_output, bias })
    }

    fn residual(&mut self, sublayer: &str) -> Result<Residual, WeightsError> {
        Ok(Residual { order: self.config.norm, norm: self.norm(&format!("{sublayer}_residual.norm"))? })
    }

    fn norm_if(&mut self, exists: bool, name: &str) -> Result<Option<Norm>, WeightsError> {
        exists.then(|| self.norm(name)).transpose()
    }

    fn norm(&mut self, name: &str) -> Result<Norm, WeightsError> {
        let width = [self.config.d_model];
        let gamma = self.read(&format!("{name}.gamma"), &width)?;
        let beta = match self.config.norm_kind {
            NormKind::Layer => Some(self.read(&format!("{name}.beta"), &width)?),
            NormKind::Rms => None,
        };
        Ok(Norm { gamma, beta, epsilon: self.config.norm_epsilon as f32 })
    }
}

/// The heads of an attention layer.
fn heads(config: &ModelConfig, bias: Option<Arc<DistanceBias>>) -> Heads {
    Heads { count: config.n_heads, scale: 1.0 / config.score_divisor() as f32, bias }
}
