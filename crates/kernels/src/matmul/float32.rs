//! Products in float32, by the `gemm` crate.

use gemm::Parallelism;

use super::view::{Accumulate, Matrix, MatrixMut, check};

/// `target (+)= scale · left · right` in float32; the target is not empty.
///
/// # Panics
/// Shapes that do not fit, or a slice that is too short.
pub fn product(target: MatrixMut, before: Accumulate, scale: f32, left: Matrix, right: Matrix, threads: usize) {
    check(&target, &left, &right);
    let (m, n, k) = (target.rows, target.cols, left.cols);
    let parallelism = match threads {
        1 => Parallelism::None,
        threads => Parallelism::Rayon(threads),
    };
    // SAFETY: every index that the strides reach lies inside its slice, as `check` asserts; the target is borrowed
    // exclusively, its rows do not overlap, and f32 has no invalid values.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            target.values.as_mut_ptr(),
            1,
            target.row_stride as isize,
            before == Accumulate::Add,
            left.values.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}
