//! Attend as a library.
//!
//! [`model`] is the network, [`text`] its tokenizers and metrics, [`runs`] the run folder, [`decode`] turns texts into
//! texts with a trained model, [`views`] shows what it attends to, and [`kernels`] has the fused operations beneath.

pub use {decode, kernels, model, runs, text, views};
