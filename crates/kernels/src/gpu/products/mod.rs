//! Matrix products in float32, with operands that are not rounded unless [`precision`](crate::precision) demands it: never on
//! units that round to TF32 by themselves.
//!
//! A cube computes a tile of the result, and each of its units some rows and columns of the tile. Slices of both operands
//! are in memory that the units share, zeros beyond their ends. Every element is a sum in the order of the inner dimension.
//! Strides are arguments of one small kernel, so that a new shape, or a view, compiles nothing; burn's products are kernels of
//! up to 70 KB for each combination of layouts and divisors.

mod kernel;
mod tiles;

use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;

use self::kernel::{SizesLaunch, StridesLaunch, product_kernel};
use self::tiles::{Tiles, VECTOR};
use super::{empty, len, per_cube_of, row_major, width, zeros};
use crate::precision;

/// The operation after a product.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// A vector that is added to each row.
    pub bias: Option<&'a CubeTensor>,
    /// Whether negative results become zero.
    pub relu: bool,
    /// Whether the result is added to the values before.
    pub adds: bool,
}

/// The product of two matrices, batched over their other dimensions, which are equal; row-major.
pub fn product(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    finished_product(a, b, Finish::default())
}

/// As [`product`] of `[batch, head, rows, columns]`, with the heads of a row next to each other in memory, where the rows of
/// all heads merge without a copy.
pub fn product_beside_heads(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let [batch, heads, rows, _]: [usize; 4] = a.meta.shape().dims();
    let mut out = empty(&a, [batch, rows, heads, width(&b)]);
    out.meta.swap(1, 2);
    product_into(a, b, out.clone(), Finish::default());
    out
}

/// A [`product`], then `finish`.
pub fn finished_product(a: CubeTensor, b: CubeTensor, finish: Finish) -> CubeTensor {
    let mut shape: Vec<usize> = a.meta.shape().iter().copied().collect();
    if let (Some(last), Some(columns)) = (shape.last_mut(), b.meta.shape().last()) {
        *last = *columns;
    }
    let shape = Shape::from(shape);
    let out = if finish.adds { zeros(&a, shape) } else { empty(&a, shape) };
    product_into(a, b, out.clone(), finish);
    out
}

/// As [`finished_product`], into a tensor or a view of one.
///
/// # Panics
/// Shapes that do not fit, or more than four dimensions.
pub fn product_into(a: CubeTensor, b: CubeTensor, out: CubeTensor, finish: Finish) {
    debug_assert_eq!([a.dtype, b.dtype, out.dtype], [DType::F32; 3]);
    let (a, b, out) = (Matrices::new(a), Matrices::new(b), Matrices::new(out));
    let [outer, inner, m, k] = a.shape;
    let [_, _, _, n] = b.shape;
    assert_eq!(b.shape, [outer, inner, k, n], "operands fit");
    assert_eq!(out.shape, [outer, inner, m, n], "the result has the shape of the product");
    assert!(finish.bias.is_none_or(|bias| len(bias) == n), "the bias has a value per column");
    if len(&out.tensor) == 0 {
        return;
    }
    let tiles = Tiles::best(outer * inner, m, n);
    let [row_tiles, column_tiles] = tiles.count(m, n);
    let client = out.tensor.client.clone();
    let cubes = outer * inner * row_tiles * column_tiles;
    let (count, dim) = per_cube_of(tiles.units(), &client, cubes);
    let sizes = SizesLaunch::new(
        cubes as u32,
        inner as u32,
        m as u32,
        n as u32,
        k as u32,
        row_tiles as u32,
        column_tiles as u32,
    );
    let bias = finish.bias.cloned().map(row_major);
    let [a_strides, b_strides, out_strides] = [&a, &b, &out].map(Matrices::strides);
    // SAFETY: the kernel compares rows, columns and the inner dimension with the sizes, which are those of the operands, of
    // the result and of the bias.
    unsafe {
        product_kernel::launch_unchecked(
            &client,
            count,
            dim,
            VECTOR as usize,
            a.tensor.into_buffer_arg(),
            b.tensor.into_buffer_arg(),
            bias.map(CubeTensor::into_buffer_arg).into(),
            out.tensor.into_buffer_arg(),
            a_strides,
            b_strides,
            out_strides,
            sizes,
            tiles,
            finish.relu,
            finish.adds,
            precision::current(),
        );
    }
}

/// The same values with the last two dimensions exchanged, a view.
pub fn transposed(mut tensor: CubeTensor) -> CubeTensor {
    let rank = tensor.meta.num_dims();
    tensor.meta.swap(rank - 2, rank - 1);
    tensor
}

/// A tensor as matrices in two dimensions.
struct Matrices {
    tensor: CubeTensor,
    shape: [usize; 4],
    strides: [u32; 4],
}

impl Matrices {
    fn new(tensor: CubeTensor) -> Self {
        let rank = tensor.meta.num_dims();
        assert!((2..=4).contains(&rank), "matrices, in two dimensions at most");
        let (mut shape, mut strides) = ([1; 4], [0; 4]);
        for (i, (&len, &stride)) in tensor.meta.shape().iter().zip(tensor.meta.strides().iter()).enumerate() {
            (shape[4 - rank + i], strides[4 - rank + i]) = (len, stride as u32);
        }
        Self { tensor, shape, strides }
    }

    fn strides(&self) -> StridesLaunch {
        let [outer, inner, row, column] = self.strides;
        StridesLaunch::new(outer, inner, row, column)
    }
}
