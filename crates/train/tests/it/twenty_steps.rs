//! Trains a fixture's model like PyTorch and compares the losses.

use burn::optim::GradientsParams;
use burn::tensor::Device;
use model::Pass;
use model::loss::Objective;
use runs::config::TrainingConfig;
use train::optim::{Adam, learning_rate};

use testing::model_fixture::Fixture;

/// Panics unless each mean loss before an update is within `tolerance` of PyTorch's.
pub fn compare(fixture: &Fixture, device: &Device, tolerance: f64) {
    let device = device.clone().autodiff();
    let warmup_steps = fixture.meta["warmup_steps"].as_u64().unwrap();
    let training = TrainingConfig { warmup_steps, ..TrainingConfig::default() };
    let smoothing = fixture.meta["label_smoothing"].as_f64().unwrap();
    let batch = fixture.batch(&device);
    let mut model = fixture.transformer(&device);
    let mut adam = Adam::default();
    for (step, &expected) in (1..).zip(fixture.floats("losses")) {
        let sums = model.loss(&batch, Objective::cross_entropy(smoothing), &mut Pass::inference());
        let loss = sums.smoothed / batch.target_tokens as f64;
        let found: f64 = loss.clone().into_data().iter::<f64>().next().unwrap();
        let off = (found - f64::from(expected)).abs();
        assert!(off <= tolerance, "{}, step {step}: loss {found}, PyTorch {expected}", fixture.name);

        let mut gradients = GradientsParams::from_grads(loss.backward(), &model);
        model.embeddings.zero_padding_gradients(&mut gradients);
        let rate = learning_rate(&training, fixture.config().d_model, step);
        let expected_rate = fixture.floats("learning_rates")[step as usize - 1];
        assert!((rate - f64::from(expected_rate)).abs() <= 1e-6 * rate, "step {step}: rate {rate}, {expected_rate}");
        model = adam.step(model, gradients, None, None, rate, step);
    }
}
