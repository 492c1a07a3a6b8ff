//! The projection loss for GPUs: logits of some rows at a time, overwritten by their gradient.

use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::prelude::*;

use crate::gpu::{
    self, ColumnSums, Finish, Kept, UNITS, accumulate, column_sums, empty, integers, len, max_of_cube, pass_of,
    per_row, product, product_into, row_major, rows_of, scaled_by_first, stacked, sum_of_cube, sum_of_rows, transposed,
};
use crate::projection_loss::{LabelSmoothing, LossSums, Projection, Targets};

pub fn projection_loss(projection: Projection, targets: Targets) -> LossSums {
    let Targets { ids, smoothing } = targets;
    loss_sums(
        projection,
        Loss { targets: row_major(integers(ids)), smoothing, passes: 1, launch: cross_entropy, alpha: 0.0 },
    )
}

/// Applies an operation on the inputs of a projection, which returns both sums of its loss, `[2]`.
pub fn loss_sums(projection: Projection, loss: Loss) -> LossSums {
    let Projection { hidden, matrix, bias } = projection;
    assert_eq!(hidden.dims()[0], loss.passes * len(&loss.targets), "a target per row of each pass");
    let sums: Tensor<1> = match bias {
        Some(bias) => gpu::three(hidden, matrix, bias, loss),
        None => gpu::two(hidden, matrix, loss),
    };
    LossSums { smoothed: sums.clone().narrow(0, 0, 1), nll: sums.without_autodiff().narrow(0, 1, 1) }
}

/// Values of logits that exist at a time: 64 MiB.
const LOGITS: usize = 1 << 24;

/// Rows per block of logits: a multiple of 64, so that every block begins where devices bind buffers.
fn block(rows: usize, vocabulary: usize, passes: usize) -> usize {
    rows.min((LOGITS / (vocabulary.max(1) * passes) / 64).max(1) * 64).max(1)
}

/// Launches the kernel that replaces the logits of a block of rows by their gradients; zero for padding.
pub type LaunchBlock = fn(&Loss, Block);

/// The launch of a block of rows, a cube for each.
pub struct Block {
    pub client: Client,
    pub count: CubeCount,
    pub dim: CubeDim,
    /// The logits of each pass, `[rows, vocabulary]`.
    pub logits: Vec<BufferArg>,
    /// `[vocabulary]`.
    pub bias: Option<BufferArg>,
    /// Targets of all blocks.
    pub targets: BufferArg,
    /// Losses of all blocks, `[rows, 2]`.
    pub losses: BufferArg,
    pub sizes: SizesLaunch,
}

/// Sizes of a block, and the target distribution.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Sizes {
    /// The block's first row.
    pub first: u32,
    /// Its rows.
    pub rows: u32,
    pub vocabulary: u32,
    pub pad: u32,
    pub epsilon: f32,
}

/// A loss of the logits of one or more passes over the same targets.
#[derive(Debug)]
pub struct Loss {
    /// `[rows]`.
    pub targets: CubeTensor,
    pub smoothing: LabelSmoothing,
    /// Passes, whose hidden states follow each other.
    pub passes: usize,
    pub launch: LaunchBlock,
    /// The weight of the passes' divergence.
    pub alpha: f32,
}

impl gpu::Operation for Loss {
    /// Returns both sums, `[2]`. The gradients are computed here, while the logits exist.
    fn forward(&self, inputs: Vec<CubeTensor>, tracked: bool) -> (CubeTensor, Kept) {
        let mut inputs = inputs.into_iter().map(row_major);
        let (Some(hidden), Some(matrix), bias) = (inputs.next(), inputs.next(), inputs.next()) else {
            unreachable!("a projection has an input and a matrix")
        };
        let ([vocabulary, width], rows) = (matrix.meta.shape().dims(), hidden.meta.shape()[0] / self.passes);
        let losses = empty(&hidden, [rows, 2]);
        let hidden: Vec<CubeTensor> = (0..self.passes).map(|pass| pass_of(&hidden, pass, rows)).collect();
        let kept_rows = if tracked { rows } else { 0 };
        let d_hidden: Vec<CubeTensor> = hidden.iter().map(|hidden| empty(hidden, [kept_rows, width])).collect();
        let (mut d_matrix, mut d_bias): (Option<CubeTensor>, _) = (None, None);
        let block = block(rows, vocabulary, self.passes);
        for first in (0..rows).step_by(block) {
            let n = block.min(rows - first);
            let states: Vec<CubeTensor> = hidden.iter().map(|hidden| rows_of(hidden, first, n)).collect();
            let logits: Vec<CubeTensor> =
                states.iter().map(|states| product(states.clone(), transposed(matrix.clone()))).collect();
            (self.launch)(self, self.block(&logits, bias.as_ref(), &losses, [first, n, vocabulary]));
            if !tracked {
                continue;
            }
            for ((logits, states), d_hidden) in logits.into_iter().zip(states).zip(&d_hidden) {
                if bias.is_some() {
                    let ColumnSums { plain, .. } = column_sums(logits.clone(), None, false, true);
                    d_bias = Some(accumulate(d_bias, plain));
                }
                product_into(logits.clone(), matrix.clone(), rows_of(d_hidden, first, n), Finish::default());
                match &d_matrix {
                    Some(sum) => {
                        let finish = Finish { adds: true, ..Finish::default() };
                        product_into(transposed(logits), states, sum.clone(), finish);
                    }
                    None => d_matrix = Some(product(transposed(logits), states)),
                }
            }
        }
        let gradients = d_matrix.map(|d_matrix| [Some(stacked(d_hidden)), Some(d_matrix), d_bias]);
        (sum_of_rows(losses), gradients.into_iter().flatten().flatten().collect())
    }

    fn backward(&self, kept: Kept, gradient: CubeTensor, _wanted: &[bool]) -> Vec<Option<CubeTensor>> {
        let gradient = row_major(gradient);
        kept.into_iter().map(|kept| Some(scaled_by_first(kept, &gradient))).collect()
    }
}

impl Loss {
    fn block(
        &self,
        logits: &[CubeTensor],
        bias: Option<&CubeTensor>,
        losses: &CubeTensor,
        [first, rows, vocabulary]: [usize; 3],
    ) -> Block {
        let client = losses.client.clone();
        let (count, dim) = per_row(&client, rows, vocabulary);
        let LabelSmoothing { epsilon, pad_id } = self.smoothing;
        let [first, rows, vocabulary, pad] = [first, rows, vocabulary, pad_id].map(|size| size as u32);
        Block {
            client,
            count,
            dim,
            logits: logits.iter().cloned().map(CubeTensor::into_buffer_arg).collect(),
            bias: bias.cloned().map(CubeTensor::into_buffer_arg),
            targets: self.targets.clone().into_buffer_arg(),
            losses: losses.clone().into_buffer_arg(),
            sizes: SizesLaunch::new(first, rows, vocabulary, pad, epsilon as f32),
        }
    }
}

/// The gradient of cross-entropy: p − ε/V − (1 − ε)[v = t].
fn cross_entropy(_loss: &Loss, block: Block) {
    let Block { client, count, dim, logits, bias, targets, losses, sizes } = block;
    let [logits] = logits.try_into().ok().expect("the logits of one pass");
    // SAFETY: logits hold `rows * vocabulary` values, targets and losses at least `first + rows` rows; targets are ids of the
    // vocabulary, and the kernel compares rows and columns with these numbers.
    unsafe {
        cross_entropy_kernel::launch_unchecked(&client, count, dim, logits, bias.into(), targets, losses, sizes);
    }
}

/// Sums over the logits of one row, to which the bias is added.
#[derive(CubeType, Clone, Copy)]
pub struct Row {
    pub peak: f32,
    /// Σ exp(logit − peak)
    pub total: f32,
    /// ln Σ exp(logit)
    pub normaliser: f32,
    pub average: f32,
    pub at_target: f32,
}

#[cube]
pub fn row_of(
    logits: &mut [f32],
    bias: &ComptimeOption<&[f32]>,
    start: u32,
    vocabulary: u32,
    target: u32,
    shared: &mut Shared<[f32]>,
) -> Row {
    let mut peak = f32::new(-3.0e38f32);
    let mut sum = 0.0f32;
    let mut chosen = 0.0f32;
    let mut word = UNIT_POS;
    while word < vocabulary {
        let at = (start + word) as usize;
        let mut logit = logits[at];
        #[comptime]
        if let ComptimeOption::Some(bias) = bias {
            logit += bias[word as usize];
            logits[at] = logit;
        }
        peak = max(peak, logit);
        sum += logit;
        chosen += select(word == target, logit, 0.0f32);
        word += CUBE_DIM;
    }
    let peak = max_of_cube(peak, shared);
    let average = sum_of_cube(sum, shared) / f32::cast_from(vocabulary);
    let at_target = sum_of_cube(chosen, shared);
    let mut total = 0.0f32;
    word = UNIT_POS;
    while word < vocabulary {
        total += (logits[(start + word) as usize] - peak).exp();
        word += CUBE_DIM;
    }
    let total = sum_of_cube(total, shared);
    Row { peak, total, normaliser: peak + total.ln(), average, at_target }
}

#[cube(launch_unchecked)]
fn cross_entropy_kernel(
    logits: &mut [f32],
    bias: ComptimeOption<&[f32]>,
    targets: &[i32],
    losses: &mut [f32],
    sizes: Sizes,
) {
    let row = CUBE_POS as u32;
    if row >= sizes.rows {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let vocabulary = sizes.vocabulary;
    let target = u32::cast_from(targets[(sizes.first + row) as usize]);
    let start = row * vocabulary;
    let of_row = row_of(logits, &bias, start, vocabulary, target, &mut shared);
    let rest = 1.0f32 - sizes.epsilon;
    let spread = sizes.epsilon / f32::cast_from(vocabulary);
    let real = target != sizes.pad;
    let mut word = UNIT_POS;
    while word < vocabulary {
        let at = (start + word) as usize;
        let probability = (logits[at] - of_row.peak).exp() / of_row.total;
        let share = probability - spread - select(word == target, rest, 0.0f32);
        logits[at] = select(real, share, 0.0f32);
        word += CUBE_DIM;
    }
    if UNIT_POS == 0 {
        let smoothed = of_row.normaliser - rest * of_row.at_target - sizes.epsilon * of_row.average;
        let at = (2u32 * (sizes.first + row)) as usize;
        losses[at] = select(real, smoothed, 0.0f32);
        losses[at + 1] = select(real, of_row.normaliser - of_row.at_target, 0.0f32);
    }
}
