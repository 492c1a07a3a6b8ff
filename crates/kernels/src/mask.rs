//! Attention masks: which keys a query must not see. **`true` = hidden**, everywhere.
//!
//! A mask consists of numbers on the host, such as key lengths, if it has this structure. The fused attention reads these;
//! the portable one turns them into a tensor on its device.

use std::sync::{Arc, OnceLock};

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// Hidden keys of an attention `[batch, head, query, key]`.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // a few masks exist at a time
pub enum Mask {
    /// Hides the padding after each row's keys.
    Padding(KeyLengths),
    /// Hides the future: query i sees keys 0..=i (paper, section 3.2.3).
    Causal,
    /// Hides both the padding and the future.
    CausalPadding(KeyLengths),
    /// Hides all keys but the first ones of each row, as many as this: the rest of a buffer is not written yet.
    First(usize),
    /// Hides the marked keys of a tensor that broadcasts to `[batch, head, query, key]`, and `true` = hidden.
    Explicit(Tensor<4, Bool>),
}

/// The number of visible keys of each row of a batch; the rest is padding.
#[derive(Clone, Debug)]
pub struct KeyLengths {
    lengths: Arc<[usize]>,
    /// The same as a tensor, made at first use and shared by clones.
    hidden: Arc<OnceLock<Tensor<4, Bool>>>,
    /// The lengths on a device, likewise.
    #[cfg(feature = "cube")]
    on_device: Arc<OnceLock<Tensor<1, Int>>>,
}

impl KeyLengths {
    /// Key lengths of a batch, one per row.
    pub fn new(lengths: &[usize]) -> Self {
        Self {
            lengths: lengths.into(),
            hidden: Arc::default(),
            #[cfg(feature = "cube")]
            on_device: Arc::default(),
        }
    }

    /// The same, whose tensor of lengths (`[batch]`) is on a device already.
    pub fn uploaded(lengths: &[usize], on_device: Tensor<1, Int>) -> Self {
        let lengths = Self::new(lengths);
        #[cfg(feature = "cube")]
        let _ = lengths.on_device.set(on_device);
        #[cfg(not(feature = "cube"))]
        drop(on_device);
        lengths
    }

    /// The lengths, `[batch]`.
    #[cfg(feature = "cube")]
    pub(crate) fn on_device(&self, device: &Device) -> Tensor<1, Int> {
        let device = device.clone().without_autodiff();
        let upload = || {
            let lengths: Vec<i32> = self.lengths.iter().map(|&len| len as i32).collect();
            Tensor::from_data(TensorData::new(lengths, [self.lengths.len()]), &device)
        };
        let known = self.on_device.get_or_init(upload);
        match known.device() == device {
            true => known.clone(),
            false => upload(),
        }
    }

    /// The lengths, one per row of the batch.
    pub fn as_slice(&self) -> &[usize] {
        &self.lengths
    }

    /// `[batch, 1, 1, key]`.
    fn tensor(&self, key_len: usize, device: &Device) -> Tensor<4, Bool> {
        let hidden = self.hidden.get_or_init(|| self.materialise(key_len, device));
        match hidden.dims()[3] == key_len && hidden.device() == *device {
            true => hidden.clone(),
            false => self.materialise(key_len, device),
        }
    }

    fn materialise(&self, key_len: usize, device: &Device) -> Tensor<4, Bool> {
        let hidden: Vec<bool> = self.lengths.iter().flat_map(|&len| (0..key_len).map(move |key| key >= len)).collect();
        Tensor::from_data(TensorData::new(hidden, [self.lengths.len(), 1, 1, key_len]), device)
    }
}

impl Mask {
    /// Hides the padding after the first `lengths[row]` of `len` keys; `None` without padding.
    ///
    /// ```
    /// use kernels::Mask;
    /// let device = burn::tensor::Device::flex();
    /// let mask = Mask::padding(&[1, 3], 3).unwrap();
    /// let hidden: Vec<bool> = mask.tensor(1, 3, &device).to_data().iter::<bool>().collect();
    /// assert_eq!(hidden, [false, true, true, false, false, false]);
    /// assert!(Mask::padding(&[3, 3], 3).is_none());
    /// ```
    pub fn padding(lengths: &[usize], len: usize) -> Option<Self> {
        let padded = lengths.iter().any(|&own| own < len);
        padded.then(|| Self::Padding(KeyLengths::new(lengths)))
    }

    /// The mask as a tensor that broadcasts to `[batch, head, query, key]`, outside of autodiff; `true` = hidden.
    pub fn tensor(&self, query_len: usize, key_len: usize, device: &Device) -> Tensor<4, Bool> {
        let device = device.clone().without_autodiff();
        // `tril_mask` is false on and below the diagonal.
        let future = || Tensor::<2, Bool>::tril_mask([query_len, key_len], 0, &device).unsqueeze::<4>();
        match self {
            Self::Padding(lengths) => lengths.tensor(key_len, &device),
            Self::Causal => future(),
            Self::CausalPadding(lengths) => {
                let shape = [lengths.as_slice().len(), 1, query_len, key_len];
                lengths.tensor(key_len, &device).expand(shape).bool_or(future().expand(shape))
            }
            Self::First(visible) => {
                let hidden = (0..key_len).map(|key| key >= *visible).collect::<Vec<bool>>();
                Tensor::from_data(TensorData::new(hidden, [1, 1, 1, key_len]), &device)
            }
            Self::Explicit(hidden) => hidden.clone(),
        }
    }

    /// The given rows of the batch, in the given order.
    pub fn select(&self, rows: &[usize]) -> Self {
        let chosen = |lengths: &KeyLengths| {
            let lengths: Vec<usize> = rows.iter().map(|&row| lengths.as_slice()[row]).collect();
            KeyLengths::new(&lengths)
        };
        match self {
            Self::Padding(lengths) => Self::Padding(chosen(lengths)),
            Self::Causal => Self::Causal,
            Self::First(visible) => Self::First(*visible),
            Self::CausalPadding(lengths) => Self::CausalPadding(chosen(lengths)),
            Self::Explicit(hidden) => {
                let ids: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
                let rows = Tensor::<1, Int>::from_data(TensorData::new(ids, [rows.len()]), &hidden.device());
                Self::Explicit(hidden.clone().int().select(0, rows).bool())
            }
        }
    }

    /// The batch `times` times, one copy after the other.
    pub fn repeat_batch(&self, times: usize) -> Self {
        let repeated = |lengths: &KeyLengths| KeyLengths::new(&lengths.as_slice().repeat(times));
        match self {
            Self::Padding(lengths) => Self::Padding(repeated(lengths)),
            Self::Causal => Self::Causal,
            Self::First(visible) => Self::First(*visible),
            Self::CausalPadding(lengths) => Self::CausalPadding(repeated(lengths)),
            Self::Explicit(hidden) => Self::Explicit(hidden.clone().repeat_dim(0, times)),
        }
    }
}

impl From<Tensor<4, Bool>> for Mask {
    /// Any mask; `true` = hidden.
    fn from(hidden: Tensor<4, Bool>) -> Self {
        Self::Explicit(hidden)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    fn hidden(mask: &Mask, query_len: usize, key_len: usize) -> (Vec<usize>, Vec<u8>) {
        let tensor = mask.tensor(query_len, key_len, &Device::flex());
        let shape = tensor.dims().to_vec();
        (shape, tensor.into_data().iter::<bool>().map(u8::from).collect())
    }

    #[test]
    fn tensors_hide_padding_and_future() {
        let lengths = KeyLengths::new(&[1, 3]);
        let padding = Mask::Padding(lengths.clone());
        assert_eq!(hidden(&padding, 2, 3), (vec![2, 1, 1, 3], vec![0, 1, 1, 0, 0, 0]));
        assert_eq!(hidden(&padding, 2, 4).1, [0, 1, 1, 1, 0, 0, 0, 1], "another key length");
        assert_eq!(hidden(&Mask::Causal, 2, 3), (vec![1, 1, 2, 3], vec![0, 1, 1, 0, 0, 1]));
        assert_eq!(hidden(&Mask::First(2), 1, 4), (vec![1, 1, 1, 4], vec![0, 0, 1, 1]));
        let both = hidden(&Mask::CausalPadding(lengths), 2, 3);
        assert_eq!(both, (vec![2, 1, 2, 3], vec![0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 1]));
    }

    #[test]
    fn rows_are_selected_and_repeated() {
        let known = Mask::padding(&[1, 2, 3], 3).expect("padding");
        let explicit = Mask::from(known.tensor(1, 3, &Device::flex()));
        for mask in [known, explicit] {
            assert_eq!(hidden(&mask.select(&[2, 0]), 1, 3).1, [0, 0, 0, 0, 1, 1]);
            let twice = [0, 1, 1, 0, 0, 1, 0, 0, 0].repeat(2);
            assert_eq!(hidden(&mask.repeat_batch(2), 1, 3), (vec![6, 1, 1, 3], twice));
        }
    }
}
