//! Training with the fused operations follows training without them.

use burn::tensor::Device;
use model::config::VocabularySizes;
use model::loss::Objective;
use model::{Batch, ModelConfig, Transformer, random::Rng};
use train::optim::{Adam, StepOptions, TrainState, Workers};

const SIZES: VocabularySizes = VocabularySizes { source: 40, target: 40 };

/// Ragged sequences to copy.
fn batches() -> Vec<Batch> {
    let mut rng = Rng::new(3);
    let mut sentence = || {
        let len = 1 + rng.below(9);
        let mut ids: Vec<u32> = (0..len).map(|_| 2 + rng.below(37) as u32).collect();
        ids.push(0);
        ids
    };
    let mut batch = || {
        let sentences: Vec<Vec<u32>> = (0..24).map(|_| sentence()).collect();
        let pairs: Vec<(&[u32], &[u32])> = sentences.iter().map(|ids| (&ids[..], &ids[..])).collect();
        Batch::new(&pairs, SIZES, &Device::flex())
    };
    (0..50).map(|_| batch()).collect()
}

fn losses(config: &ModelConfig, batches: &[Batch], dropout_share: f64, objective: Objective) -> Vec<f64> {
    let device = Device::flex();
    let model = Transformer::new(config, SIZES, 1, &device.clone().autodiff()).unwrap();
    let mut train_state = TrainState::new(model, Adam::default(), Workers::new(1).unwrap(), device);
    let step = |(batch, step): (&Batch, u64)| {
        let options = StepOptions { step, learning_rate: 1e-3, seed: 5, dropout_share, objective, clip_norm: 1.0 };
        let output = train_state.step(std::slice::from_ref(batch), options);
        f64::from(output.loss.into_scalar::<f32>()) / batch.target_tokens as f64
    };
    batches.iter().zip(1..).map(step).collect()
}

#[test]
fn fifty_losses_agree_to_rounding() {
    let config = ModelConfig {
        d_model: 32,
        n_heads: 4,
        d_ff: 64,
        encoder_layers: 2,
        decoder_layers: 2,
        dropout: 0.1,
        attention_dropout: 0.1,
        max_length: 16,
        ..ModelConfig::default()
    };
    let batches = batches();
    // Also with dropout, since its mask is a function of seed and position.
    let smoothed = Objective::cross_entropy(0.1);
    for (share, objective) in [(0.0, smoothed), (1.0, smoothed), (1.0, Objective { r_drop: 3.0, ..smoothed })] {
        let fused = losses(&config, &batches, share, objective);
        let portable = kernels::with_portable_ops(|| losses(&config, &batches, share, objective));
        assert!(fused[49] < fused[0] - 0.2, "the model learns: {} to {}", fused[0], fused[49]);
        assert_ne!(fused, portable, "two different computations");
        for (step, (ours, oracle)) in fused.iter().zip(&portable).enumerate() {
            assert!(
                (ours - oracle).abs() < 1e-4,
                "dropout {share}, {objective:?}, step {step}: {ours}, without kernels {oracle}"
            );
        }
    }
}
