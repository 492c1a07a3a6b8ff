//! The recorder of the CPU engine: attention weights as they are computed, for alignments and views.

use kernels::decode::{AttentionCache, Scoring};
use model::{AttentionKind, ByAttention};

use super::super::recording::{LayerRecording, by_head};
use super::row::Row;
use crate::alignment::{AlignmentHeads, HeadMean};

/// The recordings of a pass through the layers.
#[derive(Debug, Default)]
pub(super) enum Recorder {
    #[default]
    Nothing,
    Alignment(AlignmentRecorder),
    Everything(Box<FullRecorder>),
}

/// The attention that a query belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site<'a> {
    pub kind: AttentionKind,
    pub layer: usize,
    pub scoring: Scoring<'a>,
    pub row: usize,
}

impl Recorder {
    /// Attends with all heads of one query, and records the weights if required. The arguments are those of
    /// [`AttentionCache::attend`].
    pub fn attend(
        &mut self,
        site: Site,
        cache: &AttentionCache,
        query: &[f32],
        weights: &mut Vec<f32>,
        context: &mut [f32],
    ) {
        let Site { kind, layer, scoring, row } = site;
        match self {
            Self::Alignment(alignment) if kind == AttentionKind::Cross && alignment.heads.includes(layer) => {
                let map = &mut alignment.map;
                cache.attend_and_record(query, scoring, weights, context, Some(map));
                alignment.rows[row].add_layer(layer, scoring.n_heads, map);
            }
            Self::Nothing | Self::Alignment(_) => cache.attend(query, scoring, weights, context),
            Self::Everything(full) => {
                let mut map = Vec::new();
                cache.attend_and_record(query, scoring, weights, context, Some(&mut map));
                let rows = full.layer(kind, layer);
                rows.n_heads = scoring.n_heads;
                rows.maps.push(map);
                rows.queries.push(query.to_vec());
            }
        }
    }

    /// Records the keys and values that were attended to, if everything is recorded.
    pub fn record_keys_values(&mut self, kind: AttentionKind, layer: usize, cache: &AttentionCache) {
        match self {
            Self::Nothing | Self::Alignment(_) => {}
            Self::Everything(full) => {
                let rows = full.layer(kind, layer);
                (rows.keys, rows.values) = (cache.keys(), cache.values());
            }
        }
    }
}

/// The mean cross-attention of each row in one step.
#[derive(Debug)]
pub(super) struct AlignmentRecorder {
    heads: HeadMean,
    rows: Vec<HeadMean>,
    /// Weights of one query, `[head, key]`.
    map: Vec<f32>,
}

impl AlignmentRecorder {
    pub fn new(heads: AlignmentHeads) -> Self {
        Self { heads: HeadMean::new(heads), rows: Vec::new(), map: Vec::new() }
    }

    /// Begins a step.
    pub fn clear(&mut self, rows: &[Row]) {
        self.rows.resize(rows.len(), self.heads.clone());
        self.rows.iter_mut().zip(rows).for_each(|(mean, row)| mean.clear(row.source_len));
    }

    /// The strongest source position of each row.
    pub fn aligned(&self) -> impl Iterator<Item = Option<usize>> {
        self.rows.iter().map(HeadMean::strongest)
    }
}

/// Every attention of a single sentence.
#[derive(Debug, Default)]
pub(super) struct FullRecorder {
    layers: ByAttention<Vec<Rows>>,
}

/// One layer's attention, a row for each query or key.
#[derive(Debug, Default)]
struct Rows {
    n_heads: usize,
    /// `[head, keys]`.
    maps: Vec<Vec<f32>>,
    /// Each as wide as all heads.
    queries: Vec<Vec<f32>>,
    keys: Vec<Vec<f32>>,
    values: Vec<Vec<f32>>,
}

impl FullRecorder {
    fn layer(&mut self, kind: AttentionKind, layer: usize) -> &mut Rows {
        let layers = self.layers.get_mut(kind);
        if layers.len() <= layer {
            layers.resize_with(layer + 1, Rows::default);
        }
        &mut layers[layer]
    }

    /// The recording, head by head.
    pub fn finish(self) -> ByAttention<Vec<LayerRecording>> {
        let layers = |layers: Vec<Rows>| layers.into_iter().map(Rows::split).collect();
        let ByAttention { encoder, decoder, cross } = self.layers;
        ByAttention { encoder: layers(encoder), decoder: layers(decoder), cross: layers(cross) }
    }
}

impl Rows {
    fn split(self) -> LayerRecording {
        let n_heads = self.n_heads;
        let mut maps = by_head(&self.maps, n_heads);
        // A causal row has no weights for later keys: they are zero.
        maps.iter_mut().flatten().for_each(|row| row.resize(self.keys.len(), 0.0));
        LayerRecording {
            maps,
            queries: by_head(&self.queries, n_heads),
            keys: by_head(&self.keys, n_heads),
            values: by_head(&self.values, n_heads),
        }
    }
}
