//! An update in parts is the update that their whole would be.

use burn::tensor::Device;
use model::config::VocabularySizes;
use model::loss::Objective;
use model::{Batch, ModelConfig, Transformer, random::Rng};
use train::adam::Adam;
use train::learner::{Found, Learner, Update};
use train::workers::Workers;

const SIZES: VocabularySizes = VocabularySizes { source: 40, target: 40 };

/// Target lengths of the pairs in each part, so that tokens, pairs and padding all differ between parts.
const PARTS: [&[usize]; 4] = [&[12], &[1, 2, 1, 2, 1, 2], &[5, 3, 4], &[9, 2]];

/// Source and target.
type Pair = (Vec<u32>, Vec<u32>);

fn batch(pairs: &[Pair]) -> Batch {
    let pairs: Vec<(&[u32], &[u32])> = pairs.iter().map(|(source, target)| (&source[..], &target[..])).collect();
    Batch::new(&pairs, SIZES, &Device::flex())
}

/// What the first update of one and the same model finds, without dropout.
fn found(parts: &[Batch]) -> [(&'static str, f64); 3] {
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
    let mut learner = Learner::new(model, Adam::default(), Workers::new(2).unwrap(), device);
    let objective = Objective::cross_entropy(0.1);
    let update = Update { step: 1, learning_rate: 1e-3, seed: 5, dropout_share: 1.0, objective, clip_norm: 0.0 };
    let Found { loss, nll, gradient_norm } = learner.update(parts, update);
    [("loss", loss), ("nll", nll), ("gradient norm", gradient_norm)]
        .map(|(name, tensor)| (name, f64::from(tensor.into_scalar::<f32>())))
}

#[test]
fn ragged_parts_add_up_to_the_whole() {
    let mut stream = Rng::new(7);
    let mut sentence =
        |length: usize| -> Vec<u32> { (0..length).map(|_| 2 + stream.below(37) as u32).chain([0]).collect() };
    let mut pairs = |lengths: &[usize]| -> Vec<Pair> {
        lengths.iter().map(|&length| (sentence(14 - length), sentence(length))).collect()
    };
    let parts: Vec<Vec<Pair>> = PARTS.iter().map(|lengths| pairs(lengths)).collect();
    let apart = found(&parts.iter().map(|part| batch(part)).collect::<Vec<_>>());
    let whole = found(&[batch(&parts.concat())]);
    for ((name, apart), (_, whole)) in apart.into_iter().zip(whole) {
        assert!((apart - whole).abs() <= 1e-5 * whole, "{name}: {apart} in parts, {whole} as a whole");
    }
}
