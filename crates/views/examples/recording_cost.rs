//! The cost of recording attention: times of forward passes over a source and its target without recording, with maps, and
//! with maps and vectors; and the time of `attend`, compared with decoding alone. Each is the mean of 200 sentences.
//!
//! ```sh
//! cargo run -p views --example recording_cost
//! ```

use std::sync::Arc;
use std::time::Instant;

use decode::{DecodeError, TrainedModel, Translator};
use model::random::{self, Rng};
use model::{Batch, ByAttention, ModelConfig, Pass, Transformer, VocabularySizes, backend};
use runs::{DecodingConfig, SavedModel};
use text::{END_ID, Tokenizer};
use views::attend;

const SENTENCES: usize = 200;
const ROUNDS: usize = 5;
const WORDS: usize = 2000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = (0..WORDS).map(|word| format!("w{word}")).collect();
    let tokenizer = Arc::new(Tokenizer::from_words(&words));
    let sizes = VocabularySizes::joint(tokenizer.vocab_size());
    let config = ModelConfig {
        d_model: 256,
        n_heads: 4,
        d_ff: 1024,
        encoder_layers: 3,
        decoder_layers: 3,
        max_length: 64,
        ..ModelConfig::default()
    };
    let device = backend::choose(None)?.open()?;
    let network = Transformer::new(&config, sizes, 1, &device)?;
    let decoding = DecodingConfig { max_length: Some(24), ..DecodingConfig::default() };
    let saved = SavedModel::new(config, decoding, tokenizer.clone(), tokenizer);
    let trained = TrainedModel::from_network(&network, saved, device);

    let mut rng = Rng::new(random::key(&[1]));
    let mut sentence = |_| -> Vec<u32> {
        let mut ids: Vec<u32> = (0..5 + rng.below(25)).map(|_| 2 + rng.below(WORDS) as u32).collect();
        ids.push(END_ID);
        ids
    };
    let ids: Vec<Vec<u32>> = (0..SENTENCES).map(&mut sentence).collect();
    let batches: Vec<Batch> =
        ids.iter().zip(ids.iter().rev()).map(|(a, b)| Batch::new(&[(a, b)], sizes, &trained.device)).collect();

    let plain = |at: usize| forward(&network, &batches[at], &mut Pass::inference());
    let maps = |at: usize| forward(&network, &batches[at], &mut Pass::recording(&mut ByAttention::default()));
    let vectors = |at: usize| {
        let (mut maps, mut vectors) = (ByAttention::default(), ByAttention::default());
        forward(&network, &batches[at], &mut Pass::recording_vectors(&mut maps, &mut vectors))
    };
    let [plain, maps, vectors] = best([&plain, &maps, &vectors])?;
    println!("forward pass, best of {ROUNDS} times, mean of {SENTENCES} sentences:");
    println!("  without recording {plain:.3} ms");
    println!("  maps              {maps:.3} ms, {:.2}×", maps / plain);
    println!("  maps and vectors  {vectors:.3} ms, {:.2}×", vectors / plain);

    let texts: Vec<String> = ids.iter().map(|ids| trained.source_tokenizer.decode(ids)).collect::<Result<_, _>>()?;
    let settings = trained.settings();
    let translator = Translator::new(&trained, settings.clone())?;
    let translated = |at: usize| translator.translate(&texts[at..=at]).map(drop);
    let attended = |at: usize| attend(&trained, &settings, &texts[at], None).map(drop);
    let [translated, attended] = best([&translated, &attended])?;
    println!("decoding alone {translated:.3} ms, `attend` {attended:.3} ms, {:.2}×", attended / translated);
    Ok(())
}

/// Runs a forward pass and reads the logits.
fn forward(network: &Transformer, batch: &Batch, pass: &mut Pass) -> Result<(), DecodeError> {
    let logits = network.forward(batch, pass).try_into_data();
    logits.map(drop).map_err(|error| DecodeError::Device(error.to_string()))
}

/// Milliseconds per sentence of each function. They run in turn, so that other work on the machine slows all of them, and
/// the fastest of [`ROUNDS`] times of each sentence counts.
fn best<const N: usize>(functions: [&dyn Fn(usize) -> Result<(), DecodeError>; N]) -> Result<[f64; N], DecodeError> {
    let mut sums = [0.0; N];
    for at in 0..SENTENCES {
        let mut best = [f64::INFINITY; N];
        for _ in 0..ROUNDS {
            for (best, function) in best.iter_mut().zip(functions) {
                let start = Instant::now();
                function(at)?;
                *best = best.min(start.elapsed().as_secs_f64() * 1e3);
            }
        }
        sums.iter_mut().zip(best).for_each(|(sum, best)| *sum += best);
    }
    Ok(sums.map(|sum| sum / SENTENCES as f64))
}
