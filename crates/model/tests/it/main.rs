//! The network against PyTorch and its own invariants.

mod behaviour;
mod families;
mod initial_weights;
mod pytorch;
