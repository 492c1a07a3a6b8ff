//! One set of features for the crates under burn.
//!
//! Cargo resolves features per command: `cargo run -p infer` turns on more features of `bytes` or `log` than
//! `cargo run -p train` does, and burn, which depends on them, would be compiled a second time. Every member of the
//! workspace depends on this crate, so each command resolves the same features. `.ci/run` checks that building `infer`
//! after `train` compiles no burn crate again.
