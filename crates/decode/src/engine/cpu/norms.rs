//! Norms, and the residual connections around sub-layers that they belong to.

use kernels::decode::rows;
use model::config::NormOrder;

/// A norm; without `beta` it is the root-mean-square one.
#[derive(Debug)]
pub(super) struct Norm {
    pub gamma: Vec<f32>,
    pub beta: Option<Vec<f32>>,
    pub epsilon: f32,
}

impl Norm {
    pub fn apply(&self, x: &mut [f32]) {
        match &self.beta {
            Some(beta) => rows::layer_norm(x, &self.gamma, beta, self.epsilon),
            None => rows::rms_norm(x, &self.gamma, self.epsilon),
        }
    }
}

/// The norms before the stacks, with `embedding_norm`, and after them, with pre-norm.
#[derive(Debug)]
pub(super) struct Norms {
    pub source: Option<Norm>,
    pub target: Option<Norm>,
    pub encoder: Option<Norm>,
    pub decoder: Option<Norm>,
}

impl Norms {
    pub fn begin_encoder(&self, x: &mut [f32]) {
        self.source.iter().for_each(|norm| norm.apply(x));
    }

    pub fn begin_decoder(&self, x: &mut [f32]) {
        self.target.iter().for_each(|norm| norm.apply(x));
    }

    pub fn finish_encoder(&self, x: &mut [f32]) {
        self.encoder.iter().for_each(|norm| norm.apply(x));
    }

    pub fn finish_decoder(&self, x: &mut [f32]) {
        self.decoder.iter().for_each(|norm| norm.apply(x));
    }
}

/// The residual connection around a sub-layer (paper, section 5.4).
#[derive(Debug)]
pub(super) struct Residual {
    pub order: NormOrder,
    pub norm: Norm,
}

impl Residual {
    /// The input of the sub-layer: `x`, or with pre-norm its norm, in the buffer `normed`.
    pub fn before<'a>(&self, x: &'a [f32], normed: &'a mut Vec<f32>) -> &'a [f32] {
        match self.order {
            NormOrder::Post => x,
            NormOrder::Pre => {
                normed.clear();
                normed.extend_from_slice(x);
                self.norm.apply(normed);
                normed
            }
        }
    }

    /// Adds the output of the sub-layer to `x`, and with post-norm normalises the sum.
    pub fn after(&self, x: &mut [f32], output: &[f32]) {
        rows::add(x, output);
        match self.order {
            NormOrder::Post => self.norm.apply(x),
            NormOrder::Pre => {}
        }
    }
}
