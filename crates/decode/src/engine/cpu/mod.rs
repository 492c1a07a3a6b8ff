//! The Transformer over slices, for decoding on a CPU.
//!
//! It computes what [`Transformer`] computes, in the same order of layers, but for any number of sentences without
//! padding: the rows of all of them stand one after the other, and each attends to what is its own.

mod layers;
mod load;
mod state;

use kernels::decode::{AttentionCache, Epilogue, PackedMatrix, multiply};
use model::{ModelConfig, Transformer, VocabularySizes};

use self::layers::{DecoderLayer, Embedding, EncoderLayer, Norms, Scratch};
pub use self::state::PlainState;
use self::state::Row;

/// All weights, laid out for decoding.
#[derive(Debug)]
pub struct PlainModel {
    parameters: usize,
    d_model: usize,
    n_heads: usize,
    vocabulary: usize,
    /// √d_model, by which embeddings are multiplied.
    scale: f32,
    source: Embedding,
    target: Embedding,
    /// `[max_length, d_model]`.
    source_positions: Vec<f32>,
    target_positions: Vec<f32>,
    encoder: Vec<EncoderLayer>,
    decoder: Vec<DecoderLayer>,
    norms: Norms,
    output: PackedMatrix,
}

impl PlainModel {
    /// The weights of a network.
    pub fn of(network: &Transformer, config: &ModelConfig, sizes: VocabularySizes) -> Self {
        load::from_network(network, config, sizes)
    }

    /// How many weights it has.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Tokens of the target's vocabulary, `<pad>` included.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    pub(super) fn start(&self, sources: &[&[u32]]) -> PlainState {
        let d_model = self.d_model;
        let lengths: Vec<usize> = sources.iter().map(|ids| ids.len()).collect();
        let most = self.source_positions.len() / d_model;
        assert!(lengths.iter().all(|&length| length <= most), "a source has at most {most} tokens");
        let mut x = vec![0.0; lengths.iter().sum::<usize>() * d_model];
        let mut rows = x.chunks_exact_mut(d_model);
        for ids in sources {
            for ((&id, row), position) in ids.iter().zip(&mut rows).zip(self.source_positions.chunks_exact(d_model)) {
                self.embed(&self.source, id, position, row);
            }
        }
        let mut scratch = Scratch::default();
        for layer in &self.encoder {
            layer.forward(&mut x, &lengths, self.n_heads, &mut scratch);
        }
        self.norms.finish_encoder(&mut x);
        let mut memories: Vec<Vec<AttentionCache>> = vec![Vec::with_capacity(self.decoder.len()); sources.len()];
        for layer in &self.decoder {
            let layers = layer.memories(&x, &lengths, &mut scratch);
            memories.iter_mut().zip(layers).for_each(|(memory, layer)| memory.push(layer));
        }
        // What the encoder needed room for is far more than a step needs.
        PlainState {
            rows: memories.into_iter().map(|memory| Row::new(memory, d_model)).collect(),
            ..Default::default()
        }
    }

    pub(super) fn step(&self, tokens: &[u32], state: &mut PlainState, logits: &mut Vec<f32>) {
        let d_model = self.d_model;
        let PlainState { rows, scratch } = state;
        let mut x = std::mem::take(&mut scratch.x);
        x.resize(rows.len() * d_model, 0.0);
        for ((row, &id), x) in rows.iter_mut().zip(tokens).zip(x.chunks_exact_mut(d_model)) {
            self.embed(&self.target, id, &self.target_positions[row.len * d_model..][..d_model], x);
            row.len += 1;
        }
        for (index, layer) in self.decoder.iter().enumerate() {
            layer.step(&mut x, rows, index, self.n_heads, scratch);
        }
        self.norms.finish_decoder(&mut x);
        logits.resize(rows.len() * self.vocabulary, 0.0);
        multiply(&x, &self.output, Epilogue::None, logits);
        scratch.x = x;
    }

    /// √d_model times a token's vector, and its position's.
    fn embed(&self, embedding: &Embedding, id: u32, position: &[f32], x: &mut [f32]) {
        match embedding {
            Embedding::Output => self.output.row(id as usize, self.scale, x),
            Embedding::Own(table) => {
                let row = &table[id as usize * self.d_model..][..self.d_model];
                x.iter_mut().zip(row).for_each(|(x, value)| *x = self.scale * value);
            }
        }
        kernels::decode::rows::add(x, position);
    }
}
