//! An update in micro-batches equals the update of the whole batch.

use burn::tensor::Device;
use model::config::VocabularySizes;
use model::loss::Objective;
use model::{Batch, ModelConfig, Transformer, random::Rng};
use train::optim::{Adam, StepOptions, StepOutput, TrainState, Workers};

const SIZES: VocabularySizes = VocabularySizes { source: 40, target: 40 };

/// Target lengths of the pairs in each micro-batch, so that tokens, pairs and padding all differ.
const MICRO_BATCHES: [&[usize]; 4] = [&[12], &[1, 2, 1, 2, 1, 2], &[5, 3, 4], &[9, 2]];

/// A source and a target.
type Pair = (Vec<u32>, Vec<u32>);

fn batch(pairs: &[Pair]) -> Batch {
    let pairs: Vec<(&[u32], &[u32])> = pairs.iter().map(|(source, target)| (&source[..], &target[..])).collect();
    Batch::new(&pairs, SIZES, &Device::flex())
}

/// The results of the first update of a model, without dropout.
fn first_step(micro_batches: &[Batch]) -> [(&'static str, f64); 3] {
    let config = ModelConfig {
        d_model: 32,
        n_heads: 4,
        d_ff: 64,
        encoder_layers: 1,
        decoder_layers: 1,
        dropout: 0.0,
        max_length: 16,
        ..ModelConfig::default()
    };
    let device = Device::flex();
    let model = Transformer::new(&config, SIZES, 1, &device.clone().autodiff()).unwrap();
    let mut train_state = TrainState::new(model, Adam::default(), Workers::new(2).unwrap(), device);
    let objective = Objective::cross_entropy(0.1);
    let options = StepOptions { step: 1, learning_rate: 1e-3, seed: 5, dropout_share: 1.0, objective, clip_norm: 0.0 };
    let StepOutput { loss, nll, gradient_norm } = train_state.step(micro_batches, options);
    [("loss", loss), ("nll", nll), ("gradient norm", gradient_norm)]
        .map(|(name, tensor)| (name, f64::from(tensor.into_scalar::<f32>())))
}

#[test]
fn ragged_micro_batches_add_up_to_the_whole() {
    let mut rng = Rng::new(7);
    let mut sentence =
        |length: usize| -> Vec<u32> { (0..length).map(|_| 2 + rng.below(37) as u32).chain([0]).collect() };
    let mut pairs = |lengths: &[usize]| -> Vec<Pair> {
        lengths.iter().map(|&length| (sentence(14 - length), sentence(length))).collect()
    };
    let parts: Vec<Vec<Pair>> = MICRO_BATCHES.iter().map(|lengths| pairs(lengths)).collect();
    let apart = first_step(&parts.iter().map(|part| batch(part)).collect::<Vec<_>>());
    let whole = first_step(&[batch(&parts.concat())]);
    for ((name, apart), (_, whole)) in apart.into_iter().zip(whole) {
        assert!((apart - whole).abs() <= 1e-5 * whole, "{name}: {apart} in parts, {whole} as a whole");
    }
}
