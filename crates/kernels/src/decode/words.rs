//! Weights of fewer than 32 bits, packed in words of 32.

use super::packed::{LANE, LANES, PANEL};
use super::weight_memory::{Line, Lines, WeightMemory};

/// One word of each of 16 outputs: the contents of a register, aligned for a single load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Words(pub [u32; LANE]);

// SAFETY: zeros are sixteen zeros.
unsafe impl Line for Words {}

/// A matrix in panels of 64 outputs. A word holds neighbouring inputs of an output; within a panel, the words of all outputs
/// stand side by side, one group of inputs after the other. Sixteen groups are the right operand of a matrix register.
#[derive(Clone, Debug)]
pub(super) struct WordPanels {
    d_output: usize,
    groups: usize,
    /// `[panel, groups, LANES]`; outputs beyond the last are zeros.
    lanes: Lines<Words>,
}

impl WordPanels {
    /// A matrix of zeros, with `groups` words per output.
    pub fn zeros(d_output: usize, groups: usize, memory: &mut WeightMemory) -> Self {
        let lanes = memory.zeros(d_output.div_ceil(PANEL) * groups * LANES);
        Self { d_output, groups, lanes }
    }

    pub fn d_output(&self) -> usize {
        self.d_output
    }

    /// Bytes in memory, those of padding included.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.lanes[..])
    }

    /// Words per output.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The words of a panel, `[groups, LANES]`.
    pub fn panel(&self, panel: usize) -> &[Words] {
        &self.lanes[panel * self.groups * LANES..][..self.groups * LANES]
    }

    /// Replaces the first words of an output.
    ///
    /// # Panics
    /// An output that the matrix does not have.
    pub fn set(&mut self, output: usize, words: impl Iterator<Item = u32>) {
        assert!(output < self.d_output, "no output {output}");
        let (panel, lane, at) = place(output);
        let lanes = self.lanes[panel * self.groups * LANES..].chunks_exact_mut(LANES);
        lanes.zip(words).for_each(|(lanes, word)| lanes[lane].0[at] = word);
    }

    /// The words of an output.
    ///
    /// # Panics
    /// An output that the matrix does not have.
    pub fn get(&self, output: usize) -> impl Iterator<Item = u32> {
        assert!(output < self.d_output, "no output {output}");
        let (panel, lane, at) = place(output);
        self.panel(panel).chunks_exact(LANES).map(move |lanes| lanes[lane].0[at])
    }

    /// A matrix of the given outputs alone, in this order, in memory of its own.
    pub fn select(&self, outputs: &[u32]) -> Self {
        let mut selected = Self::zeros(outputs.len(), self.groups, &mut WeightMemory::separate());
        outputs.iter().enumerate().for_each(|(at, &output)| selected.set(at, self.get(output as usize)));
        selected
    }
}

/// Panel, lane and place in the lane of an output.
pub(super) fn place(output: usize) -> (usize, usize, usize) {
    (output / PANEL, output % PANEL / LANE, output % LANE)
}

/// Values of each output in lanes, `[panel, LANES]`, zeros beyond the last.
pub(super) fn in_lanes<T: Copy + Default>(values: impl ExactSizeIterator<Item = T>) -> Vec<[T; LANE]> {
    let mut lanes = vec![[T::default(); LANE]; values.len().div_ceil(PANEL) * LANES];
    values.enumerate().for_each(|(output, value)| lanes[output / LANE][output % LANE] = value);
    lanes
}
