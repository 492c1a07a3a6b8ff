//! Attention masks (paper, section 3.2.3). **`true` = hidden**, everywhere.
//!
//! > "We need to prevent leftward information flow in the decoder to preserve the auto-regressive property."
//!
//! A [`Mask`] carries key lengths or causality down to the attention kernel, not a tensor that spells them out.
//!
//! ```
//! use burn::tensor::Device;
//! use model::Mask;
//!
//! let hidden = |mask: Mask| -> Vec<bool> { mask.tensor(2, 2, &Device::flex()).to_data().iter().collect() };
//! assert_eq!(hidden(Mask::Causal), [false, true, false, false]); // query 0 sees key 0, query 1 sees both
//! let padding = Mask::padding(&[2, 1], 2).expect("the second row is shorter");
//! assert_eq!(hidden(padding), [false, false, false, true]); // one line per row of the batch
//! ```

pub use kernels::mask::{KeyLengths, Mask};
