//! Strided matrices over slices, and their product.

use gemm::Parallelism;

use super::vector::vectorised;

/// `rows × cols` values of a slice, `row_stride` and `col_stride` apart.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    pub values: &'a [f32],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
    pub col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Row after row.
    pub fn new(values: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(values, rows, cols, cols)
    }

    /// Rows `row_stride` apart.
    pub fn strided(values: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { values, rows, cols, row_stride, col_stride: 1 }
    }

    pub fn transposed(self) -> Self {
        Self {
            values: self.values,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// One past the last index that the matrix touches.
    fn end(&self) -> usize {
        match self.rows * self.cols {
            0 => 0,
            _ => (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1,
        }
    }
}

/// Where a product goes: rows of `cols` values, `row_stride` apart.
pub struct Target<'a> {
    pub values: &'a mut [f32],
    pub rows: usize,
    pub cols: usize,
    pub row_stride: usize,
}

impl<'a> Target<'a> {
    /// Row after row.
    pub fn new(values: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self { values, rows, cols, row_stride: cols }
    }

    pub fn strided(values: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        Self { values, rows, cols, row_stride }
    }
}

/// What happens to the values that a product's target holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// They are overwritten.
    Forgotten,
    /// The product is added to them.
    Kept,
}

/// `target (+)= scale · left · right`, on the calling thread.
///
/// # Panics
/// Shapes that do not fit, or a slice that is too short.
pub fn multiply(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix) {
    product(target, before, scale, left, right, Parallelism::None);
}

/// Room for the right factor of a small product, kept between products.
pub struct Workspace(Box<[f32; SMALL * SMALL]>);

impl Workspace {
    pub fn new() -> Self {
        Self(Box::new([0.0; SMALL * SMALL]))
    }
}

/// [`multiply`] for matrices of a few dozen rows and columns, for which a general product spends its time on preparations.
pub fn multiply_small(
    target: Target,
    before: Before,
    scale: f32,
    left: Matrix,
    right: Matrix,
    workspace: &mut Workspace,
) {
    if left.rows.max(right.cols) > SMALL || left.cols > SMALL || !super::vector::has_fused_multiply_add() {
        return multiply(target, before, scale, left, right);
    }
    check(&target, &left, &right);
    let tiles = right.cols.div_ceil(TILE);
    let packed = &mut workspace.0[..];
    vectorised!({
        for tile in 0..tiles {
            pack(right, tile * TILE, &mut packed[tile * TILE * right.rows..]);
        }
        for first in (0..left.rows).step_by(ROWS) {
            for tile in 0..tiles {
                let packed = &packed[tile * TILE * right.rows..][..TILE * right.rows];
                let sums = products_of_rows(left, first, packed);
                let cols = TILE.min(right.cols - tile * TILE);
                for (i, sums) in sums.iter().enumerate().take(left.rows - first) {
                    let start = (first + i) * target.row_stride + tile * TILE;
                    for (x, sum) in target.values[start..start + cols].iter_mut().zip(sums) {
                        *x = if before == Before::Kept { *x + scale * sum } else { scale * sum };
                    }
                }
            }
        }
    });
}

/// [`multiply`] on all threads of the current pool; each element is the same sum as on one.
pub fn multiply_on_all_threads(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix) {
    let parallelism = match rayon::current_num_threads() {
        1 => Parallelism::None,
        threads => Parallelism::Rayon(threads),
    };
    product(target, before, scale, left, right, parallelism);
}

/// Rows, columns and depth up to which a product is small.
const SMALL: usize = 64;
/// Columns of a product that are computed together: one register of the widest kind.
const TILE: usize = 16;
/// Rows that are computed together, so that no register waits for its last sum.
const ROWS: usize = 8;

/// Copies up to [`TILE`] columns, row after row.
#[inline(always)]
fn pack(right: Matrix, first: usize, packed: &mut [f32]) {
    let cols = TILE.min(right.cols - first);
    let packed = packed.as_chunks_mut::<TILE>().0;
    if right.col_stride == 1 {
        for (p, row) in packed.iter_mut().take(right.rows).enumerate() {
            let start = p * right.row_stride + first;
            match cols {
                TILE => row.copy_from_slice(&right.values[start..start + TILE]),
                _ => row[..cols].copy_from_slice(&right.values[start..start + cols]),
            }
        }
    } else {
        for j in 0..cols {
            let column = right.values[(first + j) * right.col_stride..].iter().step_by(right.row_stride.max(1));
            for (row, x) in packed.iter_mut().take(right.rows).zip(column) {
                row[j] = *x;
            }
        }
    }
}

/// The products of [`ROWS`] rows of `left`, from `first` on, with a tile of columns; rows past the end repeat the last.
#[inline(always)]
fn products_of_rows(left: Matrix, first: usize, tile: &[f32]) -> [[f32; TILE]; ROWS] {
    let start = |i: usize| (first + i).min(left.rows - 1) * left.row_stride;
    let (start_0, start_1, start_2, start_3) = (start(0), start(1), start(2), start(3));
    let (start_4, start_5, start_6, start_7) = (start(4), start(5), start(6), start(7));
    // Eight variables instead of one array, so that each stays in a register; likewise above.
    let zero = [0.0; TILE];
    let (mut sum_0, mut sum_1, mut sum_2, mut sum_3) = (zero, zero, zero, zero);
    let (mut sum_4, mut sum_5, mut sum_6, mut sum_7) = (zero, zero, zero, zero);
    for (p, right) in tile.as_chunks::<TILE>().0.iter().enumerate() {
        let at = p * left.col_stride;
        // SAFETY: `p` is a column and each `start` begins a row of `left`, all of which lies inside its slice, as `check`
        // asserts; checking every element again would take as long as the product.
        let x = |start: usize| unsafe { *left.values.get_unchecked(start + at) };
        add_multiple(&mut sum_0, x(start_0), right);
        add_multiple(&mut sum_1, x(start_1), right);
        add_multiple(&mut sum_2, x(start_2), right);
        add_multiple(&mut sum_3, x(start_3), right);
        add_multiple(&mut sum_4, x(start_4), right);
        add_multiple(&mut sum_5, x(start_5), right);
        add_multiple(&mut sum_6, x(start_6), right);
        add_multiple(&mut sum_7, x(start_7), right);
    }
    [sum_0, sum_1, sum_2, sum_3, sum_4, sum_5, sum_6, sum_7]
}

#[inline(always)]
fn add_multiple(sums: &mut [f32; TILE], x: f32, right: &[f32; TILE]) {
    for j in 0..TILE {
        sums[j] = x.mul_add(right[j], sums[j]);
    }
}

/// Panics unless the shapes fit and every index that the strides reach lies inside its slice.
fn check(target: &Target, left: &Matrix, right: &Matrix) {
    let (m, n, k) = (target.rows, target.cols, left.cols);
    assert!(left.rows == m && right.cols == n && right.rows == k, "{m}×{n} is not the shape of this product");
    assert!(left.end() <= left.values.len() && right.end() <= right.values.len(), "an operand is too short");
    assert!(m * n == 0 || (m - 1) * target.row_stride + n <= target.values.len(), "the target is too short");
    assert!(m <= 1 || n <= target.row_stride, "rows of the target overlap");
}

fn product(target: Target, before: Before, scale: f32, left: Matrix, right: Matrix, parallelism: Parallelism) {
    check(&target, &left, &right);
    let (m, n, k) = (target.rows, target.cols, left.cols);
    if m == 0 || n == 0 {
        return;
    }
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
            before == Before::Kept,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_strided_and_transposed_matrices() {
        let left: Vec<f32> = (0..12).map(|i| i as f32).collect(); // two columns of rows three apart
        let right: Vec<f32> = (0..6).map(|i| 1.0 - i as f32).collect();
        let a = Matrix::strided(&left, 4, 2, 3);
        let b = Matrix::new(&right, 3, 2).transposed();
        let mut out = vec![1.0; 4 * 5];
        multiply(Target::strided(&mut out, 4, 3, 5), Before::Kept, 2.0, a, b);
        for i in 0..4 {
            for j in 0..3 {
                let product: f32 = (0..2).map(|p| left[i * 3 + p] * right[j * 2 + p]).sum();
                assert_eq!(out[i * 5 + j], 1.0 + 2.0 * product);
            }
            assert_eq!(out[i * 5 + 3..i * 5 + 5], [1.0, 1.0], "outside the target");
        }
    }

    #[test]
    fn small_products_are_products() {
        let value = |i: usize| ((i * 29 + 7) % 31) as f32 / 8.0 - 2.0;
        let (left, right): (Vec<f32>, Vec<f32>) = (0..80 * 80).map(|i| (value(i), value(i + 3))).unzip();
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (8, 16, 16), (17, 33, 40), (64, 64, 64), (65, 2, 3)] {
            for before in [Before::Forgotten, Before::Kept] {
                for (a, b) in [
                    (Matrix::strided(&left, m, k, 80), Matrix::strided(&right, k, n, 80)),
                    (Matrix::strided(&left, k, m, 80).transposed(), Matrix::strided(&right, n, k, 80).transposed()),
                ] {
                    let (mut ours, mut oracle) = (vec![1.0; m * (n + 2)], vec![1.0; m * (n + 2)]);
                    multiply_small(Target::strided(&mut ours, m, n, n + 2), before, 0.5, a, b, &mut Workspace::new());
                    multiply(Target::strided(&mut oracle, m, n, n + 2), before, 0.5, a, b);
                    let off = ours.iter().zip(&oracle).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
                    assert!(off < 1e-4, "{m} {k} {n}: off by {off}");
                }
            }
        }
    }

    #[test]
    fn empty_products() {
        let mut out = [3.0, 3.0];
        multiply(Target::new(&mut out, 1, 2), Before::Forgotten, 1.0, Matrix::new(&[], 1, 0), Matrix::new(&[], 0, 2));
        assert_eq!(out, [0.0, 0.0]);
        multiply(
            Target::new(&mut out, 0, 2),
            Before::Forgotten,
            1.0,
            Matrix::new(&[], 0, 1),
            Matrix::new(&[1.0, 1.0], 1, 2),
        );
        assert_eq!(out, [0.0, 0.0]);
    }
}
