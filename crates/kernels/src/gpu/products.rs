//! Matrix products in float32, with operands that are not rounded: never on units that round to TF32.

use burn::tensor::{DType, Shape};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::{ElemType, FloatKind};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::launch_ref;
use cubek::matmul::multi_level::Strategy;
use cubek::std::InputBinding;

use super::{empty, len, zeros};

/// The product of two matrices, batched over their other dimensions, which are equal; row-major.
pub fn product(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let mut shape: Vec<usize> = a.meta.shape().iter().copied().collect();
    if let (Some(last), Some(columns)) = (shape.last_mut(), b.meta.shape().last()) {
        *last = *columns;
    }
    if len(&a) == 0 {
        return zeros(&a, Shape::from(shape)); // without a dimension to add over
    }
    let out = empty(&a, Shape::from(shape));
    product_into(a, b, out.clone());
    out
}

/// As [`product`], into a row-major tensor.
pub fn product_into(a: CubeTensor, b: CubeTensor, out: CubeTensor) {
    debug_assert_eq!([a.dtype, b.dtype, out.dtype], [DType::F32; 3]);
    if len(&out) == 0 {
        return;
    }
    let float = ElemType::Float(FloatKind::F32);
    let mut types = MatmulElems::from_globals(&MatmulGlobalElems { lhs: float, rhs: float, out: float });
    let client = out.client.clone();
    let (a, b) = (InputBinding::new(a.binding(), float), InputBinding::new(b.binding(), float));
    let strategy = Strategy::SimpleUnit(Default::default()).into();
    launch_ref(&strategy, &client, a, b, out.binding(), &mut types).expect("a product of matrices of matching shapes");
}

/// The same values with the last two dimensions exchanged, a view.
pub fn transposed(mut tensor: CubeTensor) -> CubeTensor {
    let rank = tensor.meta.num_dims();
    tensor.meta.swap(rank - 2, rank - 1);
    tensor
}
