//! The network against PyTorch and its own invariants.

mod behaviour;
mod pytorch;
