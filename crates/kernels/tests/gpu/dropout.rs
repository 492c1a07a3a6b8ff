use burn::tensor::Tensor;
use kernels::{Dropout, dropout};

use crate::{bits, gpu, values};

#[test]
fn masks_equal_those_of_the_host_in_every_bit() {
    let device = gpu();
    for (i, shape) in [[1, 1], [3, 17], [129, 301]].into_iter().enumerate() {
        let mask = Dropout { key: 0xFEDC_BA98_7654_3210 ^ (i as u64) << 31, rate: 0.3 };
        let factors = mask.factors(shape[0] * shape[1]);
        let x = values(shape, 0.1, &device.clone().autodiff()).require_grad();
        let expected: Vec<u32> =
            crate::floats(x.clone()).iter().zip(&factors).map(|(x, factor)| (x * factor).to_bits()).collect();
        let found = dropout::dropout(x.clone(), mask);
        assert_eq!(bits(found.clone()), expected, "{shape:?}");

        let slope = values(shape, 0.2, &device);
        let gradients = (found * slope.clone()).sum().backward();
        let expected: Vec<u32> =
            crate::floats(slope).iter().zip(&factors).map(|(slope, factor)| (slope * factor).to_bits()).collect();
        assert_eq!(bits(x.grad(&gradients).expect("a gradient")), expected, "gradient of {shape:?}");
    }
}

#[test]
fn the_mask_follows_the_order_of_rows_not_of_memory() {
    let mask = Dropout { key: 5, rate: 0.5 };
    let x: Tensor<2> = values([5, 7], 0.1, &gpu()).transpose();
    let copied = Tensor::<2>::from_data(x.to_data(), &gpu());
    assert_eq!(bits(dropout::dropout(x, mask)), bits(dropout::dropout(copied, mask)));
}
