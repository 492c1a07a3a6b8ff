//! The definition of the R-Drop loss.

use burn::tensor::activation::log_softmax;

use crate::projection_loss::{LossSums, Projection, Targets, cross_entropy};

/// The objective of the module's head, with all logits of both passes at once.
pub fn portable(projection: Projection, targets: Targets, alpha: f64) -> LossSums {
    let logits = projection.logits();
    let Targets { ids, smoothing } = targets;
    let [rows, vocabulary] = [ids.dims()[0], logits.dims()[1]];
    let pass = |first: usize| logits.clone().slice([first..first + rows, 0..vocabulary]);
    let (a, b) = (pass(0), pass(rows));
    let real = ids.clone().not_equal_scalar(smoothing.pad_id as i64).float().unsqueeze_dim::<2>(1);
    let (log_a, log_b) = (log_softmax(a.clone(), 1), log_softmax(b.clone(), 1));
    // KL(a‖b) + KL(b‖a) = Σ (a − b)(log a − log b)
    let divergence = ((log_a.clone().exp() - log_b.clone().exp()) * (log_a - log_b)).sum_dim(1);
    let (a, b) = (cross_entropy(a, ids.clone(), smoothing), cross_entropy(b, ids, smoothing));
    LossSums {
        smoothed: (a.smoothed + b.smoothed).mul_scalar(0.5) + (divergence * real).sum().mul_scalar(alpha / 4.0),
        nll: (a.nll + b.nll).mul_scalar(0.5),
    }
}
