//! Products in float32, in the vectors of this processor or else by the `gemm` crate.

use gemm::Parallelism;

use super::finish::on_top_of;
#[cfg(target_arch = "x86_64")]
use super::vectors::{self, Right, Unit};
use super::view::{Accumulate, Finish, Matrix, MatrixMut, check};

/// `target = finish(left · right)` in float32; no shape is empty.
///
/// # Panics
/// Shapes that do not fit, or a slice that is too short.
pub fn product(target: MatrixMut, finish: Finish, left: Matrix, right: Matrix, threads: usize) {
    #[cfg(target_arch = "x86_64")]
    if let Some(unit) = Unit::float32() {
        return vectors::product(unit, target, finish, left, Right::Plain(right), threads);
    }
    by_gemm(target, finish, left, right, threads);
}

/// The same by the `gemm` crate, on any processor.
pub fn by_gemm(target: MatrixMut, finish: Finish, left: Matrix, right: Matrix, threads: usize) {
    on_top_of(target, finish, |target, before| {
        check(&target, &Finish::new(before, finish.scale), &left, &right);
        let (m, n, k) = (target.rows, target.cols, left.cols);
        let parallelism = match threads {
            1 => Parallelism::None,
            threads => Parallelism::Rayon(threads),
        };
        // SAFETY: every index that the strides reach lies inside its slice, as `check` asserts; the target is borrowed
        // exclusively, its rows do not overlap, and it has values where they are read.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                target.values.as_mut_ptr().cast::<f32>(),
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
                finish.scale,
                false,
                false,
                false,
                parallelism,
            );
        }
    });
}
