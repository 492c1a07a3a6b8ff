//! Which keys a query may not see. **`true` = hidden**, everywhere.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Hidden keys, of a shape that broadcasts to `[batch, head, query, key]`; `true` = hidden.
#[derive(Clone, Debug)]
pub struct Mask(Tensor<4, Bool>);

impl Mask {
    /// Hides the padding after each sequence's first `lengths[row]` of `len` tokens: `[batch, 1, 1, len]`.
    ///
    /// `None` where there is no padding, so that a full batch pays nothing for it.
    ///
    /// ```
    /// let device = burn::tensor::Device::flex();
    /// let mask = model::Mask::padding(&[1, 3], 3, &device).unwrap();
    /// let hidden: Vec<bool> = mask.tensor().to_data().iter::<bool>().collect();
    /// assert_eq!(hidden, [false, true, true, false, false, false]);
    /// assert!(model::Mask::padding(&[3, 3], 3, &device).is_none());
    /// ```
    pub fn padding(lengths: &[usize], len: usize, device: &Device) -> Option<Self> {
        if lengths.iter().all(|&own| own >= len) {
            return None;
        }
        let hidden: Vec<bool> = lengths.iter().flat_map(|&own| (0..len).map(move |at| at >= own)).collect();
        let data = TensorData::new(hidden, [lengths.len(), 1, 1, len]);
        Some(Self(Tensor::from_data(data, &device.clone().without_autodiff())))
    }

    /// Hides the future: query i sees keys 0..=i (paper, section 3.2.3). `[1, 1, len, len]`.
    pub fn causal(len: usize, device: &Device) -> Self {
        let hidden: Vec<bool> = (0..len).flat_map(|query| (0..len).map(move |key| key > query)).collect();
        Self(Tensor::from_data(TensorData::new(hidden, [1, 1, len, len]), &device.clone().without_autodiff()))
    }

    /// The mask itself.
    pub fn tensor(&self) -> Tensor<4, Bool> {
        self.0.clone()
    }

    /// The given rows of the batch, in the given order.
    pub fn select(&self, rows: &Tensor<1, Int>) -> Self {
        Self(self.0.clone().int().select(0, rows.clone()).bool())
    }
}

impl From<Tensor<4, Bool>> for Mask {
    /// Any mask; `true` = hidden.
    fn from(hidden: Tensor<4, Bool>) -> Self {
        Self(hidden)
    }
}
