//! The fused R-Drop loss for the CPU.

use rayon::prelude::*;

use crate::array::Array;
use crate::autodiff::{self, Kept};
use crate::blocks::add_to;
use crate::matmul::{Accumulate, Matrix, MatrixMut, multiply_on_all_threads};
use crate::ops::projection_loss::fused::{
    Inputs, Projector, gradient_arrays, loss_sums, real_rows, scaled_by, token_ids,
};
use crate::projection_loss::{LabelSmoothing, LossSums, Projection, Targets};
use crate::simd::{WIDE, exp, max, sum, vectorised};

pub fn r_drop_loss(projection: Projection, targets: Targets, alpha: f64) -> LossSums {
    let Targets { ids, smoothing } = targets;
    loss_sums(projection, RDropLoss { targets: token_ids(ids), smoothing, alpha: alpha as f32 })
}

/// Positions per block of both passes' logits.
const BLOCK: usize = 128;

#[derive(Debug)]
struct RDropLoss {
    targets: Vec<i32>,
    smoothing: LabelSmoothing,
    alpha: f32,
}

/// Let d = log a − log b. The gradient of the first pass's logits is half of that of cross-entropy, a − ε/V − (1 − ε)[v = t],
/// plus α/4 · (a(d − KL(a‖b)) + a − b). For the second pass, a and b are exchanged.
impl autodiff::Operation for RDropLoss {
    /// Returns both sums, `[2]`. The gradients are computed here, while the logits are in cache.
    fn forward(&self, inputs: Vec<Array>, tracked: bool) -> (Array, Kept) {
        let inputs = Inputs::new(inputs);
        let [rows, width, vocabulary] = inputs.sizes();
        let (projector, Inputs { hidden, bias, .. }) = (Projector::new(&inputs, tracked), &inputs);
        let real = real_rows(&self.targets, self.smoothing.pad_id);
        let state = |row: usize| &hidden.values()[row * width..][..width];

        let kept_size = |size: usize| if tracked { size } else { 0 };
        let mut d_hidden = vec![0.0; kept_size(rows * width)];
        let mut d_matrix = vec![0.0; kept_size(vocabulary * width)];
        let mut d_bias = vec![0.0; kept_size(if bias.is_some() { vocabulary } else { 0 })];
        let block = BLOCK.min(real.len());
        let mut states = Vec::with_capacity(2 * block * width);
        let (mut logits, mut d_states) = (Vec::new(), Vec::new()); // of one block
        let (mut smoothed, mut nll) = (0.0f64, 0.0f64);
        for positions in real.chunks(BLOCK) {
            let n = positions.len();
            // The first pass's rows, then the second's.
            let of_both = || positions.iter().copied().chain(positions.iter().map(|row| row + rows / 2));
            states.clear();
            of_both().for_each(|row| states.extend_from_slice(state(row)));
            let both = Matrix::new(&states, 2 * n, width);
            projector.logits(both, &mut logits);

            let (first, second) = logits.split_at_mut(n * vocabulary);
            let pairs = first.par_chunks_exact_mut(vocabulary).zip(second.par_chunks_exact_mut(vocabulary));
            let found: Vec<[f32; 2]> = pairs
                .zip(positions)
                .map_init(
                    || vec![0.0; vocabulary],
                    |scratch, ((a, b), &row)| self.position(a, b, self.targets[row] as usize, scratch),
                )
                .collect();
            for [loss, likelihood] in found {
                (smoothed, nll) = (smoothed + f64::from(loss), nll + f64::from(likelihood));
            }
            if !tracked {
                continue;
            }
            let d_logits = Matrix::new(&logits, 2 * n, vocabulary);
            projector.gradients(d_logits, &mut d_states);
            for (d_state, row) in d_states.chunks_exact(width).zip(of_both()) {
                d_hidden[row * width..][..width].copy_from_slice(d_state);
            }
            let target = MatrixMut::new(&mut d_matrix, vocabulary, width);
            multiply_on_all_threads(target, Accumulate::Add, 1.0, d_logits.transposed(), both);
            if bias.is_some() {
                vectorised!(logits.chunks_exact(vocabulary).for_each(|row| add_to(&mut d_bias, row, 1.0)));
            }
        }
        let gradients = match tracked {
            true => gradient_arrays(d_hidden, d_matrix, bias.as_ref().map(|_| d_bias), width),
            false => vec![],
        };
        (Array::new(vec![smoothed as f32, nll as f32], [2]), gradients)
    }

    fn backward(&self, kept: Kept, gradient: Array, _wanted: &[bool]) -> Vec<Option<Array>> {
        scaled_by(gradient, kept)
    }
}

impl RDropLoss {
    /// Replaces both passes' logits of one position by their gradients and returns loss and negative log-likelihood.
    fn position(&self, a: &mut [f32], b: &mut [f32], target: usize, difference: &mut [f32]) -> [f32; 2] {
        let epsilon = self.smoothing.epsilon as f32;
        let (spread, rest, quarter) = (epsilon / a.len() as f32, 1.0 - epsilon, self.alpha / 4.0);
        let (loss, nll) = vectorised!({
            let (of_a, of_b) = (normaliser(a), normaliser(b));
            let nll = 0.5 * (of_a - a[target] + of_b - b[target]);
            // −Σ q log p with q the smoothed target, for both passes
            let cross_entropy =
                0.5 * (of_a - rest * a[target] - epsilon * average(a) + of_b - rest * b[target] - epsilon * average(b));

            let (mut kl_ab, mut kl_ba) = ([0f32; WIDE], [0f32; WIDE]);
            let lanes = |at: usize, len: usize| at..(at + WIDE).min(len);
            let mut at = 0;
            while at < a.len() {
                let range = lanes(at, a.len());
                let (a, b, d) = (&mut a[range.clone()], &mut b[range.clone()], &mut difference[range]);
                for i in 0..a.len() {
                    let (log_a, log_b) = (a[i] - of_a, b[i] - of_b);
                    d[i] = log_a - log_b;
                    a[i] = exp(log_a);
                    b[i] = exp(log_b);
                    kl_ab[i] += a[i] * d[i];
                    kl_ba[i] -= b[i] * d[i];
                }
                at += WIDE;
            }
            let (kl_ab, kl_ba) = (sum::<WIDE>(&kl_ab, |x| x), sum::<WIDE>(&kl_ba, |x| x));
            for i in 0..a.len() {
                let (p, q, d) = (a[i], b[i], difference[i]);
                a[i] = 0.5 * (p - spread) + quarter * (p * (d - kl_ab) + p - q);
                b[i] = 0.5 * (q - spread) + quarter * (q * (-d - kl_ba) + q - p);
            }
            a[target] -= 0.5 * rest;
            b[target] -= 0.5 * rest;
            (cross_entropy + quarter * (kl_ab + kl_ba), nll)
        });
        [loss, nll]
    }
}

/// ln Σ exp(logit)
#[inline(always)]
fn normaliser(logits: &[f32]) -> f32 {
    let peak = max::<WIDE>(logits);
    let total = sum::<WIDE>(
        logits,
        #[inline(always)]
        |x| exp(x - peak),
    );
    total.ln() + peak
}

#[inline(always)]
fn average(logits: &[f32]) -> f32 {
    sum::<WIDE>(logits, |x| x) / logits.len() as f32
}
