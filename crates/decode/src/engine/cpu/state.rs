//! The rows of a batch on the CPU engine.

use kernels::decode::Matrix;

use super::super::outputs::Excluded;
use super::super::{State, StepOutput};
use super::CpuEngine;
use super::recorder::Recorder;
use super::row::Row;
use super::scratch::Scratch;
use crate::error::DecodeError;

/// The rows of a batch, and buffers for its steps.
pub(super) struct CpuState<'a> {
    pub engine: &'a CpuEngine,
    pub rows: Vec<Row>,
    pub scratch: Scratch,
    /// The projection to some outputs, if not to all, and those of them that a row may not use.
    pub output: Option<(Matrix, Excluded)>,
}

impl Drop for CpuState<'_> {
    fn drop(&mut self) {
        self.engine.cores.end(std::mem::take(&mut self.scratch.workspace));
    }
}

impl State for CpuState<'_> {
    fn step(&mut self, tokens: &[u32], output: &mut StepOutput) -> Result<(), DecodeError> {
        if let Recorder::Alignment(alignment) = &mut self.scratch.recorder {
            alignment.clear(&self.rows);
        }
        self.engine.cores.share(&mut self.scratch.workspace);
        let projection = self.output.as_ref().map_or(&self.engine.output, |(matrix, _)| matrix);
        self.engine.step(tokens, &mut self.rows, &mut self.scratch, projection, &mut output.logits);
        if let Some((_, excluded)) = &self.output {
            excluded.apply(&mut output.logits);
        }
        if let Recorder::Alignment(alignment) = &self.scratch.recorder {
            output.aligned.clear();
            output.aligned.extend(alignment.aligned());
        }
        Ok(())
    }

    fn select(&mut self, rows: &[usize]) {
        let mut uses = vec![0; self.rows.len()];
        rows.iter().for_each(|&row| uses[row] += 1);
        let mut old: Vec<Option<Row>> = std::mem::take(&mut self.rows).into_iter().map(Some).collect();
        // Only a row that is kept more than once is copied.
        let kept = rows.iter().filter_map(|&row| {
            uses[row] -= 1;
            if uses[row] == 0 { old[row].take() } else { old[row].clone() }
        });
        self.rows = kept.collect();
        if let Some((_, excluded)) = &mut self.output {
            excluded.select(rows);
        }
    }
}
