//! What it costs to record attention: the time of 200 passes over a sentence and its translation, one by one, with
//! nothing recorded, with maps, and with the vectors too; and of all that `attend` does, decoding included.
//!
//! ```sh
//! cargo run --release -p infer --example recording_cost
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use infer::attend::attend;
use infer::{DecodingConfig, InferError, TrainedModel, Translator};
use model::random::{self, Stream};
use model::{AttentionMaps, AttentionVectors, Batch, ModelConfig, Pass, Transformer, VocabularySizes, backend};
use text::{END_ID, Tokenizer};

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
    let trained = TrainedModel {
        model: Transformer::new(&config, sizes, 1, &device)?,
        decoding: DecodingConfig { max_length: Some(24), ..DecodingConfig::default() },
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        config,
        sizes,
        device,
    };

    let mut stream = Stream::new(random::key(&[1]));
    let mut sentence = |_| -> Vec<u32> {
        let mut ids: Vec<u32> = (0..5 + stream.below(25)).map(|_| 2 + stream.below(WORDS as u64) as u32).collect();
        ids.push(END_ID);
        ids
    };
    let ids: Vec<Vec<u32>> = (0..SENTENCES).map(&mut sentence).collect();
    let batches: Vec<Batch> =
        ids.iter().zip(ids.iter().rev()).map(|(a, b)| Batch::new(&[(a, b)], sizes, &trained.device)).collect();

    let nothing = || timed(&batches, |batch| read(&trained, batch, &mut Pass::inference()));
    let maps = || timed(&batches, |batch| read(&trained, batch, &mut Pass::recording(&mut AttentionMaps::default())));
    let vectors = || {
        timed(&batches, |batch| {
            let (mut maps, mut vectors) = (AttentionMaps::default(), AttentionVectors::default());
            read(&trained, batch, &mut Pass::recording_vectors(&mut maps, &mut vectors));
        })
    };
    (nothing(), maps(), vectors()); // warm
    let mut best = [Duration::MAX; 3];
    for _ in 0..ROUNDS {
        for (best, found) in best.iter_mut().zip([nothing(), maps(), vectors()]) {
            *best = found.min(*best);
        }
    }
    let [nothing, maps, vectors] = best.map(|time| time.as_secs_f64() * 1e3 / SENTENCES as f64);
    println!("a pass of a sentence, the best of {ROUNDS} rounds over {SENTENCES}:");
    println!("  nothing recorded  {nothing:.3} ms");
    println!("  maps              {maps:.3} ms, {:.2} times as long", maps / nothing);
    println!("  and vectors       {vectors:.3} ms, {:.2} times as long", vectors / nothing);

    let texts: Vec<String> = ids.iter().map(|ids| trained.source_tokenizer.decode(ids)).collect::<Result<_, _>>()?;
    let translator = Translator::new(&trained, 2048)?;
    let alone = timed_or_failed(&texts, |text| translator.translate(std::slice::from_ref(text), 1).map(drop))?;
    let watched = timed_or_failed(&texts, |text| attend(&trained, text, None).map(drop))?;
    let [alone, watched] = [alone, watched].map(|time| time.as_secs_f64() * 1e3 / SENTENCES as f64);
    println!("a translation alone {alone:.3} ms, with `attend` {watched:.3} ms, {:.2} times as long", watched / alone);
    Ok(())
}

/// A pass, to its last number.
fn read(trained: &TrainedModel, batch: &Batch, pass: &mut Pass) {
    drop(trained.model.forward(batch, pass).into_data());
}

fn timed(batches: &[Batch], pass: impl Fn(&Batch)) -> Duration {
    let start = Instant::now();
    batches.iter().for_each(pass);
    start.elapsed()
}

fn timed_or_failed(texts: &[String], one: impl Fn(&String) -> Result<(), InferError>) -> Result<Duration, InferError> {
    let start = Instant::now();
    texts.iter().try_for_each(one)?;
    Ok(start.elapsed())
}
