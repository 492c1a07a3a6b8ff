//! Attend as a library: a full encoder–decoder Transformer (Vaswani et al. 2017), decoded from one run folder.
//!
//! | crate | contents |
//! |---|---|
//! | [`model`] | the network: tensors in, tensors out |
//! | [`text`] | tokenizers, parallel corpora, quality metrics |
//! | [`runs`] | the run folder and the configuration |
//! | [`decode`] | greedy search, beam search, sampling, scoring, alignment |
//! | [`views`] | attention as data, page and picture |
//! | [`kernels`] | fused operations with hand-written derivatives |
//!
//! ```no_run
//! use attend::decode::{TrainedModel, Translator};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = attend::model::backend::choose(None)?.open()?;
//! let model = TrainedModel::open("runs/toy-en-de".as_ref(), &device)?;
//! let translator = Translator::new(&model, model.settings())?;
//! for result in translator.translate(&["The cat sat on the mat."])? {
//!     println!("{}", result.best.text);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The examples `translate`, `train_copy`, `attention_map` and `custom_kernel` are complete programs. Training from a
//! configuration file is the crate `train`; `infer` is the command line.

pub use {decode, kernels, model, runs, text, views};

/// The README, whose Rust code compiles as a test of documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;
