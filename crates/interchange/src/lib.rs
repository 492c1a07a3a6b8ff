//! Other programs' models, in and out.
//!
//! [`marian`] reads and writes Hugging Face Marian folders; [`pytorch`] reads PyTorch's pickled tensors.

pub mod marian;
pub mod pytorch;
