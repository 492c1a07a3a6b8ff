//! Engines stepped with given tokens.

use decode::engine::{Engine, StepOutput};

/// The logits of nine steps with given tokens for every source, one step after the other.
pub fn logits(engine: &dyn Engine, sources: &[&[u32]]) -> Vec<Vec<f32>> {
    let mut state = engine.start(sources, None);
    let mut output = StepOutput::default();
    let mut logits: Vec<Vec<f32>> = vec![Vec::new(); sources.len()];
    for token in 0..9 {
        state.step(&vec![token; sources.len()], &mut output).expect("no device");
        let rows = output.logits.chunks(output.logits.len() / sources.len());
        logits.iter_mut().zip(rows).for_each(|(logits, row)| logits.extend_from_slice(row));
    }
    logits
}
