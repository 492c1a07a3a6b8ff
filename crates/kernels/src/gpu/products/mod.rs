//! Matrix products in float32, with operands that are not rounded unless [`precision`](crate::precision) demands it: never on
//! units that round to TF32 by themselves.
//!
//! On a GPU, a cube computes a tile of the result, and each of its units some rows and columns of the tile. Slices of both
//! operands are in memory that the units share, zeros beyond their ends. Where a processor runs the kernels, a unit computes a
//! tile alone. Every element is a sum in the order of the inner dimension.
//! Strides are arguments of one small kernel, so that a new shape, or a view, compiles nothing; burn's products are kernels of
//! up to 70 KB for each combination of layouts and divisors.

mod direct;
mod kernel;
mod tiles;

use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;

use self::direct::{MAX_DEPTH, TILE, direct_kernel};
use self::kernel::{SizesLaunch, StridesLaunch, product_kernel};
use self::tiles::{Tiles, VECTOR};
use super::{empty, len, per_cube_of, per_element_of, processor_units, row_major, width, zeros};
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
    let client = out.tensor.client.clone();
    let direct = processor_units(&client).filter(|_| k <= MAX_DEPTH);
    let tiles = Tiles::best(outer * inner, m, n);
    let [row_tiles, column_tiles] = match direct {
        Some(_) => [m, n].map(|len| len.div_ceil(TILE)),
        None => tiles.count(m, n),
    };
    let all_tiles = outer * inner * row_tiles * column_tiles;
    let [all, inner, rows, columns, depth, down, across] =
        [all_tiles, inner, m, n, k, row_tiles, column_tiles].map(|number| number as u32);
    let sizes = SizesLaunch::new(all, inner, rows, columns, depth, down, across);
    let [a_strides, b_strides, out_strides] = [&a, &b, &out].map(Matrices::strides);
    let bias = finish.bias.cloned().map(row_major).map(CubeTensor::into_buffer_arg).into();
    let [a, b, out] = [a, b, out].map(|matrices| matrices.tensor.into_buffer_arg());
    let (relu, adds, precision) = (finish.relu, finish.adds, precision::current());
    // SAFETY: the kernels compare rows, columns and the inner dimension with the sizes, which are those of the operands, of
    // the result and of the bias.
    unsafe {
        if let Some(units) = direct {
            let (count, dim) = per_element_of(units, &client, all_tiles);
            direct_kernel::launch_unchecked(
                &client,
                count,
                dim,
                a,
                b,
                bias,
                out,
                a_strides,
                b_strides,
                out_strides,
                sizes,
                relu,
                adds,
                precision,
            );
        } else {
            let (count, dim) = per_cube_of(tiles.units(), &client, all_tiles);
            product_kernel::launch_unchecked(
                &client,
                count,
                dim,
                VECTOR as usize,
                a,
                b,
                bias,
                out,
                a_strides,
                b_strides,
                out_strides,
                sizes,
                tiles,
                relu,
                adds,
                precision,
            );
        }
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
