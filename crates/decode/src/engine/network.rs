//! The reference engine: the network itself, on any device.

use std::fs;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor, TensorData, TensorReadError};
use kernels::best_tokens::best_tokens;
use kernels::upload::{transfers, upload_together};
use model::batch::SourceBatch;
use model::cache::DecoderCache;
use model::recorder::{AttentionKind, HeadVectors};
use model::summary::Summary;
use model::weights::{self, WeightsError};
use model::{Batch, ByAttention, ModelConfig, Pass, Transformer, VocabularySizes};
use runs::config::DecodingPrecision;

use super::outputs::{DeviceOutputs, Outputs};
use super::recording::{LayerRecording, Matrix, Recording};
use super::{Engine, RankedToken, State, StepOutput};
use crate::alignment::{AlignmentHeads, HeadMean};
use crate::error::DecodeError;

/// A network with its vocabulary sizes and device.
#[derive(Debug)]
pub struct NetworkEngine {
    network: Transformer,
    sizes: VocabularySizes,
    device: Device,
}

/// Maximum rows of a batch: enough to keep a GPU busy.
const MAX_ROWS: usize = 256;

impl NetworkEngine {
    /// An engine of this network, which is on this device.
    pub fn new(network: Transformer, sizes: VocabularySizes, device: &Device) -> Self {
        Self { network, sizes, device: device.clone() }
    }

    /// One row for each source, with all outputs.
    fn state(&self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> NetworkState<'_> {
        let memory = self.network.encode(SourceBatch::new(sources, self.sizes, &self.device), &mut Pass::inference());
        let source_lens = sources.iter().map(|ids| ids.len()).collect();
        let (cache, alignment) = (self.network.cache(&memory), alignment.map(HeadMean::new));
        NetworkState { engine: self, cache, source_lens, alignment, outputs: None }
    }
}

impl Engine for NetworkEngine {
    fn parameters(&self) -> usize {
        Summary::new(&self.network).total()
    }

    fn precision(&self) -> DecodingPrecision {
        DecodingPrecision::Float32
    }

    fn supports_workers(&self) -> bool {
        false
    }

    fn max_rows(&self, _: usize) -> usize {
        MAX_ROWS
    }

    fn start_token(&self) -> u32 {
        self.sizes.target_pad() as u32
    }

    fn start<'a>(&'a self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> Box<dyn State + 'a> {
        Box::new(self.state(sources, alignment))
    }

    fn start_for<'a>(
        &'a self,
        sources: &[&[u32]],
        alignment: Option<AlignmentHeads>,
        outputs: &Outputs,
    ) -> Box<dyn State + 'a> {
        let outputs = DeviceOutputs::new(outputs, &self.network.embeddings, &self.device);
        Box::new(NetworkState { outputs: Some(outputs), ..self.state(sources, alignment) })
    }

    fn record_from(&self, start: u32, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError> {
        let (mut maps, mut vectors) = (ByAttention::default(), ByAttention::default());
        let batch = Batch::starting_with(start, &[(source, target)], self.sizes, &self.device);
        let logits = self.network.forward(&batch, &mut Pass::recording_vectors(&mut maps, &mut vectors));
        let logits = floats(logits)?.chunks_exact(self.sizes.target).map(<[f32]>::to_vec).collect();
        let mut layers = ByAttention::default();
        for kind in AttentionKind::ALL {
            let recorded = maps.get(kind).iter().zip(vectors.get(kind));
            *layers.get_mut(kind) = recorded.map(|(map, vectors)| layer(map, vectors)).collect::<Result<_, _>>()?;
        }
        Ok(Recording { layers, logits })
    }
}

/// The rows of a batch on a device.
struct NetworkState<'a> {
    engine: &'a NetworkEngine,
    cache: DecoderCache,
    /// Source tokens of each row; the device holds them padded to one length.
    source_lens: Vec<usize>,
    alignment: Option<HeadMean>,
    /// The outputs, if not all.
    outputs: Option<DeviceOutputs>,
}

impl State for NetworkState<'_> {
    fn step(&mut self, tokens: &[u32], output: &mut StepOutput) -> Result<(), DecodeError> {
        let ids: Vec<i32> = tokens.iter().map(|&id| id as i32).collect();
        let read = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens.len()]), &self.engine.device);
        if self.alignment.is_none() {
            output.logits = floats(self.logits_after(read, &mut Pass::inference()))?;
            return Ok(());
        }
        let mut maps = ByAttention::default();
        output.logits = floats(self.logits_after(read, &mut Pass::recording(&mut maps)))?;
        let cross = maps.cross.iter().map(|map| Ok((map.dims()[1], floats(map.clone())?)));
        let cross = cross.collect::<Result<Vec<_>, DecodeError>>()?;
        output.aligned.clear();
        let Some(mean) = &mut self.alignment else { return Ok(()) };
        for (row, &source_len) in self.source_lens.iter().enumerate() {
            mean.clear(source_len);
            for (layer, (n_heads, map)) in cross.iter().enumerate() {
                let own = map.len() / tokens.len(); // [batch, head, 1, padded source_len]
                mean.add_layer(layer, *n_heads, &map[row * own..(row + 1) * own]);
            }
            output.aligned.push(mean.strongest());
        }
        Ok(())
    }

    fn step_best(&mut self, tokens: &[u32], count: usize, best: &mut Vec<RankedToken>) -> Result<bool, DecodeError> {
        if !self.ranks_on_device() {
            return Ok(false);
        }
        let logits = self.logits_after(self.uploaded(tokens), &mut Pass::inference());
        let [_, outputs] = logits.dims();
        read_ranked(best_tokens(logits, count.min(outputs - 1)), best)?;
        // Logits of −∞ are those of impossible tokens; a row without a possible one is all NaN.
        match best.iter().any(|ranked| ranked.log_probability.is_nan()) {
            true => Err(DecodeError::NotFinite),
            false => Ok(true),
        }
    }

    fn step_greedily(
        &mut self,
        tokens: &[u32],
        steps: usize,
        best: &mut Vec<RankedToken>,
    ) -> Result<bool, DecodeError> {
        if !self.ranks_on_device() {
            return Ok(false);
        }
        let rows = tokens.len();
        let mut read = self.uploaded(tokens);
        let mut chosen = Vec::with_capacity(steps);
        for _ in 0..steps {
            let pairs = best_tokens(self.logits_after(read, &mut Pass::inference()), 1);
            let tokens = pairs.clone().slice([0..rows, 0..1, 0..1]).reshape([rows]).int();
            read = match &self.outputs {
                Some(outputs) => outputs.tokens(tokens),
                None => tokens,
            };
            chosen.push(pairs);
        }
        read_ranked(Tensor::cat(chosen, 0), best)?;
        Ok(true)
    }

    fn select(&mut self, rows: &[usize]) {
        let moved = self.cache.select(rows, &self.engine.device);
        if let Some(outputs) = self.outputs.as_mut().filter(|_| moved) {
            outputs.select(rows);
        }
        self.source_lens = rows.iter().map(|&row| self.source_lens[row]).collect();
    }
}

impl NetworkState<'_> {
    /// Whether tokens are ranked where the logits are, so that these are not read.
    fn ranks_on_device(&self) -> bool {
        self.alignment.is_none() && transfers(&self.engine.device)
    }

    /// One token per row, `[rows]`.
    fn uploaded(&self, tokens: &[u32]) -> Tensor<1, Int> {
        let ids = tokens.iter().map(|&id| id as i32).collect();
        upload_together(vec![ids], &self.engine.device).remove(0)
    }

    /// The logits after one more token of each row (`[rows]`), `[rows, outputs]`.
    fn logits_after(&mut self, tokens: Tensor<1, Int>, pass: &mut Pass) -> Tensor<2> {
        let network = &self.engine.network;
        let hidden = network.step_hidden(tokens, &mut self.cache, pass);
        match &self.outputs {
            Some(outputs) => outputs.logits(hidden, &network.embeddings),
            None => network.embeddings.logits(hidden),
        }
    }
}

/// Reads pairs of a token and its log-probability, `[rows, count, 2]`, row after row.
fn read_ranked(pairs: Tensor<3>, best: &mut Vec<RankedToken>) -> Result<(), DecodeError> {
    let ranked = |pair: &[f32]| RankedToken { token: pair[0] as u32, log_probability: f64::from(pair[1]) };
    best.clear();
    best.extend(floats(pairs)?.chunks_exact(2).map(ranked));
    Ok(())
}

fn layer(map: &Tensor<4>, vectors: &HeadVectors) -> Result<LayerRecording, DecodeError> {
    Ok(LayerRecording {
        maps: matrices(map)?,
        queries: matrices(&vectors.queries)?,
        keys: matrices(&vectors.attended.keys)?,
        values: matrices(&vectors.attended.values)?,
    })
}

/// `[1, head, row, column]` to one matrix per head.
fn matrices(tensor: &Tensor<4>) -> Result<Vec<Matrix>, DecodeError> {
    let [_, _, rows, columns] = tensor.dims();
    let values = floats(tensor.clone())?;
    let matrix = |head: &[f32]| head.chunks_exact(columns).map(<[f32]>::to_vec).collect();
    Ok(values.chunks_exact(rows * columns).map(matrix).collect())
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DecodeError> {
    tensor.try_into_vec_as::<f32>().map_err(|error: TensorReadError| DecodeError::Device(error.to_string()))
}

/// Reads a network from the weights file of a run folder.
///
/// # Errors
/// A file that cannot be read, is damaged, or belongs to another configuration or vocabulary.
///
/// # Panics
/// A configuration that is not valid.
pub fn read_network(
    path: &Path,
    config: &ModelConfig,
    sizes: VocabularySizes,
    device: &Device,
) -> Result<Transformer, WeightsError> {
    let (tensors, attend) = weights::from_safetensors(&fs::read(path)?)?;
    if attend.is_none() {
        return Err(WeightsError::Foreign);
    }
    let blank = Transformer::blank(config, sizes, device).expect("a valid configuration");
    weights::load(blank, tensors)
}
