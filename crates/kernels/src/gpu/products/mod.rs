//! Matrix products in float32, with operands that are not rounded: never on units that round to TF32.
//!
//! A cube computes a tile of the result, and each of its units some rows and columns of the tile. Slices of both operands
//! are in memory that the units share, zeros beyond their ends. Every element is a sum in the order of the inner dimension.
//! Strides are arguments of one small kernel, so that a new shape, or a view, compiles nothing; burn's products are kernels of
//! up to 70 KB for each combination of layouts and divisors.

use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{empty, len, per_cube_of, row_major, zeros};

/// Elements of the inner dimension that the units share at a time.
const DEPTH: u32 = 16;

/// Steps of a loop along the inner dimension: Mesa's software Vulkan ends loops after 65,535 rounds in all.
const STEPS: u32 = 4;

/// Numbers that are read and multiplied together.
const VECTOR: u32 = 4;

/// The division of a result among cubes and units. A unit computes some rows of [`VECTOR`] columns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Tiles {
    /// Units along the rows of a tile.
    unit_rows: u32,
    /// Units along its columns.
    unit_columns: u32,
    /// Rows of a unit, a multiple of [`VECTOR`].
    rows: u32,
}

/// 64 × 64 values by 128 units.
const LARGE: Tiles = Tiles { unit_rows: 8, unit_columns: 16, rows: 8 };

/// 32 × 16 values by 32 units, for matrices of one sentence and for results of few tiles.
const SMALL: Tiles = Tiles { unit_rows: 8, unit_columns: 4, rows: 4 };

/// Minimum number of large tiles.
const MANY: usize = 16;

impl Tiles {
    fn units(self) -> u32 {
        self.unit_rows * self.unit_columns
    }

    fn height(self) -> u32 {
        self.unit_rows * self.rows
    }

    fn width(self) -> u32 {
        self.unit_columns * VECTOR
    }

    /// Tiles along the rows and along the columns of a matrix.
    fn count(self, m: usize, n: usize) -> [usize; 2] {
        [m.div_ceil(self.height() as usize), n.div_ceil(self.width() as usize)]
    }

    fn best(matrices: usize, m: usize, n: usize) -> Self {
        let [rows, columns] = LARGE.count(m, n);
        let (wide, many) = (m.min(n) * 2 > LARGE.width() as usize, matrices * rows * columns >= MANY);
        if wide && many { LARGE } else { SMALL }
    }
}

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

/// As [`finished_product`], into a row-major tensor.
///
/// # Panics
/// Shapes that do not fit, or more than four dimensions.
pub fn product_into(a: CubeTensor, b: CubeTensor, out: CubeTensor, finish: Finish) {
    debug_assert_eq!([a.dtype, b.dtype, out.dtype], [DType::F32; 3]);
    let (a, b) = (Operand::new(a), Operand::new(b));
    let [outer, inner, m, k] = a.shape;
    let [_, _, _, n] = b.shape;
    assert_eq!(b.shape, [outer, inner, k, n], "operands fit");
    assert_eq!(len(&out), outer * inner * m * n, "the result has the shape of the product");
    assert!(finish.bias.is_none_or(|bias| len(bias) == n), "the bias has a value per column");
    if len(&out) == 0 {
        return;
    }
    let tiles = Tiles::best(outer * inner, m, n);
    let [row_tiles, column_tiles] = tiles.count(m, n);
    let client = out.client.clone();
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
    let (a_strides, b_strides) = (a.strides(), b.strides());
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
            out.into_buffer_arg(),
            a_strides,
            b_strides,
            sizes,
            tiles,
            finish.relu,
            finish.adds,
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
struct Operand {
    tensor: CubeTensor,
    shape: [usize; 4],
    strides: [u32; 4],
}

impl Operand {
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

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Strides {
    outer: u32,
    inner: u32,
    row: u32,
    column: u32,
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    cubes: u32,
    inner: u32,
    rows: u32,
    columns: u32,
    depth: u32,
    row_tiles: u32,
    column_tiles: u32,
}

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn product_kernel<N: Size>(
    a: &[f32],
    b: &[f32],
    bias: ComptimeOption<&[f32]>,
    out: &mut [f32],
    a_strides: Strides,
    b_strides: Strides,
    sizes: Sizes,
    #[comptime] tiles: Tiles,
    #[comptime] relu: bool,
    #[comptime] adds: bool,
) {
    let cube = CUBE_POS as u32;
    if cube >= sizes.cubes {
        terminate!();
    }
    let rows = comptime!(tiles.rows as usize);
    let vectors = comptime!(tiles.rows / VECTOR);
    // Vectors of neighbouring rows or columns, for each step of the inner dimension.
    let height = comptime!(tiles.height() / VECTOR);
    let width = comptime!(tiles.width() / VECTOR);
    let mut a_slice = Shared::<[Vector<f32, N>]>::new_slice(comptime!((DEPTH * height) as usize));
    let mut b_slice = Shared::<[Vector<f32, N>]>::new_slice(comptime!((DEPTH * width) as usize));
    let column_tile = cube % sizes.column_tiles;
    let row_tile = (cube / sizes.column_tiles) % sizes.row_tiles;
    let matrix = cube / (sizes.column_tiles * sizes.row_tiles);
    let outer = matrix / sizes.inner;
    let inner = matrix % sizes.inner;
    let a_start = outer * a_strides.outer + inner * a_strides.inner;
    let b_start = outer * b_strides.outer + inner * b_strides.inner;
    let first_row = row_tile * comptime!(tiles.height());
    let first_column = column_tile * comptime!(tiles.width());
    let unit_row = UNIT_POS / comptime!(tiles.unit_columns);
    let unit_column = UNIT_POS % comptime!(tiles.unit_columns);

    let mut sums = Array::<Vector<f32, N>>::new(rows);
    #[unroll]
    for i in 0..rows {
        sums[i] = Vector::new(0.0f32);
    }
    let mut first = 0u32;
    while first < sizes.depth {
        sync_cube(); // the last slices have been read
        #[unroll]
        for i in 0..comptime!(height * DEPTH / tiles.units()) {
            let at = UNIT_POS + comptime!(i * tiles.units());
            // Neighbours read neighbours, whichever dimension is contiguous.
            let along = a_strides.column == 1u32;
            let row = select(along, at / DEPTH, at % height);
            let k = select(along, at % DEPTH, at / height);
            a_slice[(k * height + row) as usize] = vector::<N>(
                a,
                a_start + (first + k) * a_strides.column,
                first + k < sizes.depth,
                first_row + row * VECTOR,
                sizes.rows,
                a_strides.row,
            );
        }
        #[unroll]
        for i in 0..comptime!(width * DEPTH / tiles.units()) {
            let at = UNIT_POS + comptime!(i * tiles.units());
            let along = b_strides.row == 1u32;
            let column = select(along, at / DEPTH, at % width);
            let k = select(along, at % DEPTH, at / width);
            b_slice[(k * width + column) as usize] = vector::<N>(
                b,
                b_start + (first + k) * b_strides.row,
                first + k < sizes.depth,
                first_column + column * VECTOR,
                sizes.columns,
                b_strides.column,
            );
        }
        sync_cube();
        let mut k = 0u32;
        while k < DEPTH {
            #[unroll]
            for step in 0..STEPS {
                let k = k + step;
                let right = b_slice[(k * width + unit_column) as usize];
                #[unroll]
                for i in 0..vectors {
                    let left = a_slice[(k * height + unit_row * vectors + i) as usize];
                    #[unroll]
                    for j in 0..comptime!(VECTOR as usize) {
                        let row = comptime!(i as usize * VECTOR as usize + j);
                        sums[row] += Vector::new(left.extract(j)) * right;
                    }
                }
            }
            k += STEPS;
        }
        first += DEPTH;
    }

    let start = matrix * sizes.rows * sizes.columns;
    #[unroll]
    for j in 0..comptime!(VECTOR as usize) {
        let column = first_column + unit_column * VECTOR + comptime!(j as u32);
        if column < sizes.columns {
            #[comptime]
            let offset = match &bias {
                ComptimeOption::Some(bias) => bias[column as usize],
                ComptimeOption::None => 0.0f32,
            };
            #[unroll]
            for i in 0..rows {
                let row = first_row + unit_row * comptime!(tiles.rows) + comptime!(i as u32);
                if row < sizes.rows {
                    let at = (start + row * sizes.columns + column) as usize;
                    let mut value = sums[i].extract(j) + offset;
                    if comptime!(adds) {
                        value += out[at];
                    }
                    if comptime!(relu) {
                        value = select(value < 0.0f32, 0.0f32, value); // keeps NaN
                    }
                    out[at] = value;
                }
            }
        }
    }
}

/// Values from `first` on along one dimension of a matrix, at `start` of the other; zeros beyond the end of either.
#[cube]
fn vector<N: Size>(matrix: &[f32], start: u32, inside: bool, first: u32, len: u32, stride: u32) -> Vector<f32, N> {
    let mut values = Vector::<f32, N>::new(0.0f32);
    if inside && first + VECTOR <= len {
        #[unroll]
        for i in 0..comptime!(VECTOR as usize) {
            values.insert(i, matrix[(start + (first + comptime!(i as u32)) * stride) as usize]);
        }
    } else if inside {
        #[unroll]
        for i in 0..comptime!(VECTOR as usize) {
            if first + comptime!(i as u32) < len {
                values.insert(i, matrix[(start + (first + comptime!(i as u32)) * stride) as usize]);
            }
        }
    }
    values
}
