//! The gradient of a bias by head and distance on GPUs, in one launch.

use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use crate::gpu::{UNITS, empty, per_cube, row_major, sum_of_cube};

/// The gradient of the bias, `[head, query_len + key_len - 1]`, from that of the products q·kᵀ,
/// `[batch, head, query_len, key_len]`, which are divided by `divisor` before the bias is added.
///
/// Each element is the sum over the pairs of query and key at one distance, in a fixed order.
pub fn bias_gradient(products: CubeTensor, divisor: f32) -> CubeTensor {
    let products = row_major(products);
    let [batch, heads, query_len, key_len]: [usize; 4] = products.meta.shape().dims();
    let gradient = empty(&products, [heads, query_len + key_len - 1]);
    let client = products.client.clone();
    let (count, dim) = per_cube(&client, heads * (query_len + key_len - 1));
    // SAFETY: the products hold `batch * heads * query_len * key_len` values and the gradient one per cube; the kernel compares
    // every position with these numbers.
    unsafe {
        bias_gradient_kernel::launch_unchecked(
            &client,
            count,
            dim,
            products.into_buffer_arg(),
            gradient.clone().into_buffer_arg(),
            batch as u32,
            heads as u32,
            query_len as u32,
            key_len as u32,
            divisor,
        );
    }
    gradient
}

#[allow(clippy::too_many_arguments)] // the buffers and numbers of a launch
#[cube(launch_unchecked)]
fn bias_gradient_kernel(
    products: &[f32],
    gradient: &mut [f32],
    batch: u32,
    heads: u32,
    query_len: u32,
    key_len: u32,
    divisor: f32,
) {
    let columns = query_len + key_len - 1;
    let at = CUBE_POS as u32;
    if at >= heads * columns {
        terminate!();
    }
    let (head, column) = (at / columns, at % columns);
    let mut shared = Shared::<[f32]>::new_slice(comptime!(UNITS as usize));
    let mut sum = 0.0f32;
    let mut pair = UNIT_POS; // of a sentence and a query
    while pair < batch * query_len {
        let query = pair % query_len;
        // The key at the distance of the column, plus query_len − 1.
        let shifted = column + query;
        if shifted + 1u32 >= query_len && shifted + 1u32 < query_len + key_len {
            let row = (pair / query_len * heads + head) * query_len + query;
            sum += products[(row * key_len + shifted + 1u32 - query_len) as usize];
        }
        pair += CUBE_DIM;
    }
    let sum = sum_of_cube(sum, &mut shared);
    if UNIT_POS == 0 {
        gradient[at as usize] = sum * divisor;
    }
}
