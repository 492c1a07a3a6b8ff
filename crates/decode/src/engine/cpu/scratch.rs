//! Buffers of the CPU engine, kept from step to step.

use kernels::decode::Workspace;

use super::recorder::Recorder;

/// Intermediate results of one batch. Layers overwrite what they need.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub x: Vec<f32>,
    pub normed: Vec<f32>,
    pub projected: Vec<f32>,
    pub context: Vec<f32>,
    pub gate: Vec<f32>,
    pub change: Vec<f32>,
    /// Attention weights of one head.
    pub weights: Vec<f32>,
    pub recorder: Recorder,
    pub workspace: Workspace,
}
