//! Transfers of whole numbers to a device: several arrays at once, since each transfer to a GPU submits the work before it.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Whether the device is a GPU, for which [`upload_together`] saves transfers.
pub fn transfers(device: &Device) -> bool {
    #[cfg(feature = "cube")]
    return crate::gpu::is_gpu(device);
    #[cfg(not(feature = "cube"))]
    {
        let _ = device;
        false
    }
}

/// The arrays as tensors, outside of autodiff; on a GPU, all in one transfer.
///
/// ```
/// let device = burn::tensor::Device::flex();
/// let tensors = kernels::upload::upload_together(vec![vec![1, 2], vec![3]], &device);
/// assert_eq!(tensors[0].to_data().iter::<i32>().collect::<Vec<_>>(), [1, 2]);
/// assert_eq!(tensors[1].to_data().iter::<i32>().collect::<Vec<_>>(), [3]);
/// ```
pub fn upload_together(arrays: Vec<Vec<i32>>, device: &Device) -> Vec<Tensor<1, Int>> {
    let device = device.clone().without_autodiff();
    let upload = |array: Vec<i32>| {
        let len = array.len();
        Tensor::<1, Int>::from_data(TensorData::new(array, [len]), &device)
    };
    #[cfg(feature = "cube")]
    if crate::gpu::is_gpu(&device) {
        // Every array begins where a kernel can bind it.
        let mut packed = Vec::new();
        let mut places = Vec::new();
        for array in arrays {
            places.push((packed.len(), array.len()));
            packed.extend(array);
            packed.resize(packed.len().next_multiple_of(crate::gpu::ALIGNMENT), 0);
        }
        let packed = upload(packed);
        return places.into_iter().map(|(first, len)| crate::gpu::part(&packed, first, len)).collect();
    }
    arrays.into_iter().map(upload).collect()
}
