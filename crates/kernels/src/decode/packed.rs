//! A weight matrix packed for decoding.

use super::weight_memory::{Line, Lines, WeightMemory};
use super::words::place;

/// Outputs per panel.
pub const PANEL: usize = 64;
/// Values of the widest register.
pub const LANE: usize = 16;
/// Lanes of a panel's row.
pub const LANES: usize = PANEL / LANE;

/// The values of one register, aligned for a single load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Lane(pub [f32; LANE]);

// SAFETY: zeros are sixteen zeros.
unsafe impl Line for Lane {}

/// The weight and bias of a linear layer, in panels of 64 outputs. Within a panel, inputs follow each other, so that a
/// product reads the matrix from front to back.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    d_input: usize,
    d_output: usize,
    /// `[panel, d_input, LANES]`; outputs beyond the last are zeros.
    lanes: Lines<Lane>,
    /// `[panel, LANES]`; zeros where the layer has no bias.
    bias: Vec<Lane>,
}

impl PackedMatrix {
    /// Packs weights in PyTorch's layout, `[d_output, d_input]`, and a bias `[d_output]`, in memory of its own.
    ///
    /// # Panics
    /// Slices that are not of these shapes.
    pub fn new(weight: &[f32], bias: Option<&[f32]>, d_input: usize) -> Self {
        Self::stacked(&[(weight, bias)], d_input)
    }

    /// Packs several layers over the same input as one, in memory of its own; their outputs follow each other.
    ///
    /// # Panics
    /// Slices that are not of the shapes that [`new`](Self::new) takes.
    pub fn stacked(layers: &[(&[f32], Option<&[f32]>)], d_input: usize) -> Self {
        let d_output = layers.iter().map(|(weight, _)| outputs(weight, d_input)).sum();
        let mut packed = Self::zeros(d_input, d_output, &mut WeightMemory::separate());
        let mut first = 0;
        for (weight, bias) in layers {
            packed.fill(first, weight);
            if let Some(bias) = bias {
                assert_eq!(bias.len(), outputs(weight, d_input), "a bias has one value an output");
                packed.fill_bias(first, bias);
            }
            first += outputs(weight, d_input);
        }
        packed
    }

    /// Bytes in memory, those of padding included.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.lanes[..]) + size_of_val(&self.bias[..])
    }

    /// A matrix of zeros, to be [filled](Self::fill) part by part.
    pub fn zeros(d_input: usize, d_output: usize, memory: &mut WeightMemory) -> Self {
        let panels = usize::div_ceil(d_output, PANEL);
        Self {
            d_input,
            d_output,
            lanes: memory.zeros(panels * d_input * LANES),
            bias: vec![Lane::default(); panels * LANES],
        }
    }

    /// Sets the weights of the outputs from `first`, `[outputs, d_input]`.
    ///
    /// # Panics
    /// Weights that are not rows of `d_input`, or outputs that the matrix does not have.
    pub fn fill(&mut self, first: usize, weight: &[f32]) {
        assert!(first + outputs(weight, self.d_input) <= self.d_output, "weights have {} outputs", self.d_output);
        for (output, row) in (first..).zip(weight.chunks_exact(self.d_input)) {
            let (panel, lane, at) = place(output);
            let rows = self.lanes[panel * self.d_input * LANES..].chunks_exact_mut(LANES);
            rows.zip(row).for_each(|(lanes, &value)| lanes[lane].0[at] = value);
        }
    }

    /// Sets the bias of the outputs from `first`.
    ///
    /// # Panics
    /// Outputs that the matrix does not have.
    pub fn fill_bias(&mut self, first: usize, bias: &[f32]) {
        assert!(first + bias.len() <= self.d_output, "a bias has {} outputs", self.d_output);
        for (output, &value) in (first..).zip(bias) {
            let (panel, lane, at) = place(output);
            self.bias[panel * LANES + lane].0[at] = value;
        }
    }

    /// Width of the inputs.
    pub fn d_input(&self) -> usize {
        self.d_input
    }

    /// Width of the outputs, of all stacked layers.
    pub fn d_output(&self) -> usize {
        self.d_output
    }

    /// A panel's weights `[d_input, LANES]` and bias `[LANES]`.
    pub(super) fn panel(&self, panel: usize) -> (&[Lane], &[Lane]) {
        let size = self.d_input * LANES;
        (&self.lanes[panel * size..][..size], &self.bias[panel * LANES..][..LANES])
    }

    /// A matrix of the given outputs alone, in this order.
    ///
    /// # Panics
    /// An output that the matrix does not have.
    pub fn select(&self, outputs: &[u32]) -> Self {
        let mut rows = vec![0.0; outputs.len() * self.d_input];
        let rows_of = rows.chunks_exact_mut(self.d_input).zip(outputs);
        rows_of.for_each(|(row, &output)| self.row(output as usize, 1.0, row));
        let bias = outputs.iter().map(|&output| self.bias[output as usize / LANE].0[output as usize % LANE]);
        Self::new(&rows, Some(&bias.collect::<Vec<f32>>()), self.d_input)
    }

    /// One output's weights times `scale`: the embedding of a token, where the matrix is also an output projection.
    ///
    /// # Panics
    /// An output that the matrix does not have, or a row of another length than `d_input`.
    pub fn row(&self, output: usize, scale: f32, row: &mut [f32]) {
        assert!(output < self.d_output && row.len() == self.d_input, "no row {output} of {} values", row.len());
        let (panel, lane, at) = place(output);
        let lanes = self.lanes[panel * self.d_input * LANES..].chunks_exact(LANES);
        row.iter_mut().zip(lanes).for_each(|(x, lanes)| *x = scale * lanes[lane].0[at]);
    }
}

fn outputs(weight: &[f32], d_input: usize) -> usize {
    assert!(d_input > 0 && weight.len().is_multiple_of(d_input), "weights come in rows of {d_input}");
    weight.len() / d_input
}
