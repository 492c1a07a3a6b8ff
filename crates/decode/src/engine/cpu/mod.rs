//! The CPU engine: the Transformer over slices, with weights packed for decoding.
//!
//! It computes the same function as [`Transformer`](model::Transformer), the reference, in the same order of layers but
//! without padding. The rows of all sentences are stored one after the other, and each attends to its own sentence. The
//! result of a row does not depend on the other rows, bit for bit.

mod cores;
mod layers;
mod load;
mod memory;
mod norms;
mod recorder;
mod row;
mod scratch;
mod state;

use kernels::decode::{AttentionCache, Epilogue, Matrix};
use model::config::DecoderSelf;
use model::{AttentionKind, ByAttention};
use runs::config::DecodingPrecision;

use self::cores::Cores;
use self::layers::{DecoderLayer, Embedding, EncoderLayer};
use self::norms::Norms;
use self::recorder::{AlignmentRecorder, Recorder};
use self::row::Row;
use self::scratch::Scratch;
use self::state::CpuState;
use super::outputs::{Excluded, Outputs};
use super::recording::Recording;
use super::{Engine, State};
use crate::alignment::AlignmentHeads;
use crate::error::DecodeError;

/// Weights of four bytes each that the last-level cache of a common processor holds beside other data.
const CACHED_PARAMETERS: usize = 4 << 20;

/// All weights, laid out for decoding.
#[derive(Debug)]
pub struct CpuEngine {
    parameters: usize,
    precision: DecodingPrecision,
    cores: Cores,
    d_model: usize,
    /// The first sub-layer of the decoder's layers.
    decoder_self: DecoderSelf,
    /// Width of keys and values of the decoder, or of the states of its recurrent cells.
    decoder_width: usize,
    vocabulary: usize,
    max_length: usize,
    /// The factor of embeddings: √d_model in the paper (section 3.4).
    scale: f32,
    /// The factor of logits, if not one.
    logit_scale: Option<f32>,
    source: Embedding,
    target: Embedding,
    /// `[max_length, d_model]`; none with relative positions alone.
    source_positions: Option<Vec<f32>>,
    target_positions: Option<Vec<f32>>,
    encoder: Vec<EncoderLayer>,
    decoder: Vec<DecoderLayer>,
    norms: Norms,
    output: Matrix,
}

impl CpuEngine {
    /// Encodes the sources: a row for each.
    fn encode(&self, sources: &[&[u32]], scratch: &mut Scratch) -> Vec<Row> {
        let d_model = self.d_model;
        let lengths: Vec<usize> = sources.iter().map(|ids| ids.len()).collect();
        let max_length = self.max_length;
        assert!(lengths.iter().all(|&length| length <= max_length), "a source has at most {max_length} tokens");
        let mut x = vec![0.0; lengths.iter().sum::<usize>() * d_model];
        let mut rows = x.chunks_exact_mut(d_model);
        for ids in sources {
            for (position, (&id, row)) in ids.iter().zip(&mut rows).enumerate() {
                self.embed(&self.source, id, self.source_positions.as_deref(), position, row);
            }
        }
        self.norms.begin_encoder(&mut x);
        for (index, layer) in self.encoder.iter().enumerate() {
            layer.forward(&mut x, &lengths, index, scratch);
        }
        self.norms.finish_encoder(&mut x);
        let mut memories: Vec<Vec<AttentionCache>> = vec![Vec::with_capacity(self.decoder.len()); sources.len()];
        for layer in &self.decoder {
            let layers = layer.memories(&x, &lengths, scratch);
            memories.iter_mut().zip(layers).for_each(|(memory, layer)| memory.push(layer));
        }
        let row = |(length, memory)| Row::new(length, memory, self.decoder_self, self.decoder_width);
        lengths.into_iter().zip(memories).map(row).collect()
    }

    /// The rows of a batch, with another output projection if some are not required.
    fn state(
        &self,
        sources: &[&[u32]],
        alignment: Option<AlignmentHeads>,
        output: Option<(Matrix, Excluded)>,
    ) -> CpuState<'_> {
        let mut scratch = Scratch { workspace: self.cores.begin(), ..Scratch::default() };
        let rows = self.encode(sources, &mut scratch);
        let recorder = alignment.map_or(Recorder::Nothing, |heads| Recorder::Alignment(AlignmentRecorder::new(heads)));
        // The encoder's buffers are far larger than a step's, so they are not kept.
        let scratch = Scratch { recorder, workspace: scratch.workspace, ..Scratch::default() };
        CpuState { engine: self, rows, scratch, output }
    }

    /// Appends one token to each row and writes the logits of the next, `[rows, outputs]`, by an output projection.
    fn step(&self, tokens: &[u32], rows: &mut [Row], scratch: &mut Scratch, output: &Matrix, logits: &mut Vec<f32>) {
        let d_model = self.d_model;
        let mut x = std::mem::take(&mut scratch.x);
        x.resize(rows.len() * d_model, 0.0);
        for ((row, &id), x) in rows.iter_mut().zip(tokens).zip(x.chunks_exact_mut(d_model)) {
            self.embed(&self.target, id, self.target_positions.as_deref(), row.len, x);
            row.len += 1;
        }
        self.norms.begin_decoder(&mut x);
        for (index, layer) in self.decoder.iter().enumerate() {
            layer.step(&mut x, rows, index, scratch);
        }
        self.norms.finish_decoder(&mut x);
        if let Some(scale) = self.logit_scale {
            x.iter_mut().for_each(|x| *x *= scale);
        }
        logits.resize(rows.len() * output.d_output(), 0.0);
        scratch.workspace.multiply(&x, output, Epilogue::None, logits);
        scratch.x = x;
    }

    /// Writes the scaled embedding of a token, plus its position's encoding, a row of `positions`.
    fn embed(&self, embedding: &Embedding, id: u32, positions: Option<&[f32]>, position: usize, x: &mut [f32]) {
        match embedding {
            Embedding::Output => self.output.row(id as usize, self.scale, x),
            Embedding::Own(table) => table.row(id, self.scale, x),
        }
        if let Some(positions) = positions {
            kernels::decode::rows::add(x, &positions[position * self.d_model..][..self.d_model]);
        }
    }
}

impl Engine for CpuEngine {
    fn parameters(&self) -> usize {
        self.parameters
    }

    fn bytes(&self) -> usize {
        self.count_bytes()
    }

    fn precision(&self) -> DecodingPrecision {
        self.precision
    }

    fn supports_workers(&self) -> bool {
        true
    }

    /// Rows of a step share the reading of the weights. Weights that the cache holds are read fast enough for a few rows;
    /// more sentences only evict each other's data. Products compute six rows at a time, and 30 are whole beams of 5 as well.
    fn max_rows(&self, rows_each: usize) -> usize {
        let sentences = if self.parameters <= CACHED_PARAMETERS { 12 } else { 30 };
        (sentences * rows_each).min(30)
    }

    fn start_token(&self) -> u32 {
        self.vocabulary as u32 - 1
    }

    fn start<'a>(&'a self, sources: &[&[u32]], alignment: Option<AlignmentHeads>) -> Box<dyn State + 'a> {
        Box::new(self.state(sources, alignment, None))
    }

    fn start_for<'a>(
        &'a self,
        sources: &[&[u32]],
        alignment: Option<AlignmentHeads>,
        outputs: &Outputs,
    ) -> Box<dyn State + 'a> {
        Box::new(self.state(sources, alignment, Some((self.output.select(&outputs.tokens), Excluded::new(outputs)))))
    }

    fn record_from(&self, start: u32, source: &[u32], target: &[u32]) -> Result<Recording, DecodeError> {
        let mut scratch = Scratch { recorder: Recorder::Everything(Box::default()), ..Scratch::default() };
        let mut rows = self.encode(&[source], &mut scratch);
        let (mut logits, mut row_logits) = (Vec::with_capacity(target.len()), Vec::new());
        for &token in std::iter::once(&start).chain(target).take(target.len()) {
            self.step(&[token], &mut rows, &mut scratch, &self.output, &mut row_logits);
            logits.push(row_logits.clone());
        }
        for (layer, past) in rows[0].past.iter().enumerate() {
            scratch.recorder.record_keys_values(AttentionKind::Decoder, layer, past);
        }
        for (layer, memory) in rows[0].memory.iter().enumerate() {
            scratch.recorder.record_keys_values(AttentionKind::Cross, layer, memory);
        }
        let layers = match scratch.recorder {
            Recorder::Everything(full) => full.finish(),
            Recorder::Nothing | Recorder::Alignment(_) => ByAttention::default(),
        };
        Ok(Recording { layers, logits })
    }
}
