//! The network against PyTorch, finite differences, and its own invariants.

mod behaviour;
mod finite_differences;
mod pytorch;
