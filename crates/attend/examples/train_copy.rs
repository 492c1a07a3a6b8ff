//! Trains a Transformer to copy digits, with a loop that uses only `model` and burn.
//!
//! ```sh
//! cargo run -p attend --example train_copy
//! ```

use attend::model::loss::Objective;
use attend::model::random::{self, Rng};
use attend::model::{Batch, DecoderCache, ModelConfig, Pass, Transformer, VocabularySizes};
use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor};

const END: u32 = 0;
const DIGITS: usize = 10;
const STEPS: u64 = 1000;
const BATCH: usize = 32;

/// One to eight digits, as ids from 1, then the end token.
fn sequence(rng: &mut Rng) -> Vec<u32> {
    let len = 1 + rng.below(8);
    (0..len).map(|_| 1 + rng.below(DIGITS) as u32).chain([END]).collect()
}

/// Decodes greedily: reads the source once, then appends the most probable token until the end token.
fn copy(model: &Transformer, source: &[u32], sizes: VocabularySizes, device: &Device) -> Vec<u32> {
    let batch = Batch::new(&[(source, source)], sizes, device);
    let memory = model.encode(batch.source, &mut Pass::inference());
    let mut cache: DecoderCache = model.cache(&memory);
    let (mut token, mut output) = (sizes.target_pad() as u32, Vec::new());
    while output.len() < source.len() + 2 && output.last() != Some(&END) {
        let read = Tensor::<1, Int>::from_ints([token as i32], device);
        let logits: Vec<f32> = model.step(read, &mut cache, &mut Pass::inference()).into_data().iter().collect();
        let best = (0..sizes.target_pad()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        token = best.expect("a vocabulary") as u32;
        output.push(token);
    }
    output
}

fn main() {
    let device = Device::flex();
    let config = ModelConfig {
        d_model: 64,
        n_heads: 4,
        d_ff: 128,
        encoder_layers: 2,
        decoder_layers: 2,
        dropout: 0.0,
        max_length: 16,
        ..ModelConfig::default()
    };
    let sizes = VocabularySizes::joint(DIGITS + 2); // the end token, ten digits, padding
    let mut model = Transformer::new(&config, sizes, 1, &device.clone().autodiff()).expect("a valid configuration");
    let mut optimizer = AdamConfig::new().with_beta_2(0.98).with_epsilon(1e-9).init();
    let mut rng = Rng::new(random::key(&[1]));

    for step in 1..=STEPS {
        let sequences: Vec<Vec<u32>> = (0..BATCH).map(|_| sequence(&mut rng)).collect();
        let pairs: Vec<(&[u32], &[u32])> = sequences.iter().map(|ids| (&ids[..], &ids[..])).collect();
        let batch = Batch::new(&pairs, sizes, &device);
        let sums = model.loss(&batch, Objective::cross_entropy(0.1), &mut Pass::training(1, step, 0));
        let mut gradients =
            GradientsParams::from_grads((sums.smoothed / batch.target_tokens as f64).backward(), &model);
        model.embeddings.zero_padding_gradients(&mut gradients);
        let learning_rate = 2e-3 * (step as f64 / 50.0).min(1.0);
        model = optimizer.step(learning_rate, model, gradients);
        if step % 200 == 0 {
            let nll = sums.nll.into_scalar::<f32>() / batch.target_tokens as f32;
            println!("step {step}: nll {nll:.4} per token");
        }
    }

    let model = model.valid();
    for source in [vec![3, 1, 4, 1, 5, END], vec![9, 2, 6, 5, 3, 5, 8, END]] {
        let output = copy(&model, &source, sizes, &device);
        println!("{source:?} -> {output:?}{}", if output == source { "" } else { "  wrong" });
    }
}
