//! Buffers and threads for the products of one batch.

use std::ops::Range;

use super::bfloat16::{self, Bfloat16Activations};
use super::int8::{self, Int8Activations};
use super::matmul::{self, Epilogue};
use super::matrix::Matrix;
use super::output::Output;
use super::team::Team;

/// Multiplies rows with matrices of any type. Its buffers are kept from product to product.
#[derive(Debug, Default)]
pub struct Workspace {
    int8: Int8Activations,
    bfloat16: Bfloat16Activations,
    team: Option<Team>,
    /// Threads of the next products.
    threads: usize,
}

/// Duration on one thread, in nanoseconds, from which on threads share a product: handing out a shorter one takes as long.
const MIN_SHARED: usize = 5_000;

impl Workspace {
    /// Computes products on up to this many threads, which are started when first needed. Results are equal for any number.
    pub fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
        if threads > 1 && self.team.as_ref().is_none_or(|team| team.threads() < threads) {
            self.team = Some(Team::new(threads));
        }
    }

    /// `y = x · matrixᵀ + bias`, for `x` of `[rows, d_input]` and `y` of `[rows, d_output]`.
    ///
    /// # Panics
    /// Slices that are not of these shapes. A bfloat16 matrix on a processor that does not multiply it.
    pub fn multiply(&mut self, x: &[f32], matrix: &Matrix, epilogue: Epilogue, y: &mut [f32]) {
        let (d_input, d_output) = (matrix.d_input(), matrix.d_output());
        assert!(x.len().is_multiple_of(d_input), "rows of {d_input} inputs");
        let rows = x.len() / d_input;
        assert_eq!(rows * d_output, y.len(), "rows of {d_output} outputs, as many as of inputs");
        let y = Output::new(y, d_output);
        let Self { int8, bfloat16, team, threads } = self;
        let mut share = match matrix.nanoseconds(rows) < MIN_SHARED {
            true => None,
            false => team.as_mut(),
        };
        let panels = matrix.panels();
        let mut on_team = |work: &(dyn Fn(Range<usize>) + Sync)| match &mut share {
            Some(team) => team.run(panels, *threads, work),
            None => work(0..panels),
        };
        match matrix {
            Matrix::Float32(matrix) => {
                // SAFETY: a team computes each panel on one thread.
                on_team(&|panels| unsafe { matmul::multiply_panels(x, matrix, epilogue, panels, y) });
            }
            Matrix::Bfloat16(matrix) => {
                assert!(bfloat16::available(), "a processor that multiplies bfloat16");
                bfloat16.round(x, d_input);
                // SAFETY: as above; the processor has the instructions.
                on_team(&|panels| unsafe { bfloat16::multiply(bfloat16, matrix, epilogue, panels, y) });
            }
            Matrix::Int8(matrix) => {
                int8.quantise(x, d_input);
                let unit = int8::Unit::best();
                // SAFETY: as above; the unit is this processor's.
                on_team(&|panels| unsafe { int8::multiply(unit, int8, matrix, epilogue, panels, y) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::int8::Int8Rows;
    use super::super::packed::PackedMatrix;
    use super::super::weight_memory::WeightMemory;
    use super::super::{Bfloat16Matrix, Int8Matrix};
    use super::*;

    #[test]
    fn threads_do_not_change_a_bit() {
        let numbers = |count: usize, step: usize| -> Vec<f32> {
            (0..count).map(|i| ((i * step) % 1013) as f32 / 500.0 - 1.0).collect()
        };
        for (rows, d_input, d_output) in [(1, 512, 1000), (5, 128, 384), (40, 70, 2000)] {
            let (x, weight) = (numbers(rows * d_input, 7), numbers(d_output * d_input, 11));
            let memory = &mut WeightMemory::new(usize::MAX);
            let mut matrices = vec![
                Matrix::Float32(PackedMatrix::new(&weight, None, d_input)),
                Matrix::Int8(Int8Matrix::stacked(&[(&Int8Rows::quantise(&weight, d_input), None)], d_input, memory)),
            ];
            if bfloat16::available() {
                matrices.push(Matrix::Bfloat16(Bfloat16Matrix::stacked(&[(&weight, None)], d_input, memory)));
            }
            for matrix in &matrices {
                let mut alone = vec![f32::NAN; rows * d_output];
                let mut workspace = Workspace::default();
                workspace.multiply(&x, matrix, Epilogue::None, &mut alone);
                for threads in [2, 3, 1] {
                    workspace.set_threads(threads);
                    let mut shared = vec![f32::NAN; rows * d_output];
                    workspace.multiply(&x, matrix, Epilogue::None, &mut shared);
                    assert_eq!(shared, alone, "{threads} threads");
                }
            }
        }
    }
}
