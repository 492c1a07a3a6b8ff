//! Greedy decoding: at each step the most probable token, until `</s>` or the limit.

use burn::tensor::{Device, Int, Tensor, TensorData};
use model::batch::SourceBatch;
use model::{Pass, Transformer, VocabularySizes};
use text::END_ID;

use crate::decoded::{Decoded, Source};
use crate::error::InferError;

/// Decodes a batch of sources. Rows that end leave the batch, so that no time goes into padding.
///
/// # Errors
/// A device that fails.
pub fn greedy(
    model: &Transformer,
    sizes: VocabularySizes,
    sources: &[Source],
    device: &Device,
) -> Result<Vec<Decoded>, InferError> {
    let mut decoded = vec![Decoded { ids: Vec::new(), finished: false }; sources.len()];
    let mut pass = Pass::inference();
    let sentences: Vec<&[u32]> = sources.iter().map(|source| source.ids).collect();
    let memory = model.encode(SourceBatch::new(&sentences, sizes, device), &mut pass);
    let mut cache = model.cache(&memory);

    let mut active: Vec<usize> = (0..sources.len()).collect(); // rows of the batch that still run
    let mut tokens = vec![sizes.target_pad() as i32; sources.len()]; // what each of them reads next
    while !active.is_empty() {
        let read = Tensor::<1, Int>::from_data(TensorData::new(tokens, [active.len()]), device);
        let logits = model.step(read, &mut cache, &mut pass);
        // `<pad>` is the last id and never an answer.
        let chosen = logits.slice([0..active.len(), 0..sizes.target_pad()]).argmax(1);
        let chosen = chosen.try_into_vec_as::<i32>().map_err(|error| InferError::Device(error.to_string()))?;

        let mut kept = Vec::new();
        for (row, (&sentence, &token)) in active.iter().zip(&chosen).enumerate() {
            let output = &mut decoded[sentence];
            if token as u32 == END_ID {
                output.finished = true;
                continue;
            }
            output.ids.push(token as u32);
            if output.ids.len() < sources[sentence].limit {
                kept.push(row);
            }
        }
        if kept.len() < active.len() && !kept.is_empty() {
            cache.select(&kept, device);
        }
        tokens = kept.iter().map(|&row| chosen[row]).collect();
        active = kept.iter().map(|&row| active[row]).collect();
    }
    Ok(decoded)
}
