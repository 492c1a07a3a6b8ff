//! Which keys a query must not see (paper, section 3.2.3). **`true` = hidden**, everywhere.
//!
//! A [`Mask`] carries lengths or causality down to the attention kernel instead of a tensor of them.

pub use kernels::mask::{KeyLengths, Mask};
