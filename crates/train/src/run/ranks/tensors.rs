//! The tensors of a training state, from the root to the other ranks.

use cluster::{Cluster, Patience};
use model::weights::{self, NamedTensor};
use serde::{Deserialize, Serialize};

use super::announcement::{receive, send};
use crate::optim::{Division, TrainState};

/// The tensors of a training state.
#[derive(Debug, Default)]
pub struct StateTensors {
    /// The weights.
    pub model: Vec<NamedTensor>,
    /// The moments of the optimizer.
    pub optimizer: Vec<NamedTensor>,
    /// The moving average of the weights.
    pub ema: Vec<NamedTensor>,
    /// The factors of LoRA, if it is used.
    pub lora: Option<Vec<NamedTensor>>,
}

/// Names and shapes of the four lists.
#[derive(Serialize, Deserialize)]
struct Shapes(Vec<Option<Vec<NamedShape>>>);

/// The name and the shape of a tensor.
type NamedShape = (String, Vec<usize>);

impl StateTensors {
    /// Copies the tensors of a state.
    pub fn of(state: &TrainState) -> Self {
        Self {
            model: weights::collect(state.model()),
            optimizer: state.optimizer().tensors(),
            ema: state.ema().map(|ema| ema.tensors()).unwrap_or_default(),
            lora: state.lora().map(|lora| lora.tensors()),
        }
    }

    /// Sends the tensors to a rank, of the moments those of its slice if they are divided.
    pub fn send(&self, cluster: &Cluster, to: usize, division: &Division) {
        let slice = division.divides_moments().then(|| division.slices.cut(&self.optimizer, to));
        let optimizer = slice.as_ref().unwrap_or(&self.optimizer);
        let lists = [Some(&self.model), Some(optimizer), Some(&self.ema), self.lora.as_ref()];
        let shapes = |list: &Vec<NamedTensor>| list.iter().map(|t| (t.name.clone(), t.shape.clone())).collect();
        send(cluster, to, &Shapes(lists.map(|list| list.map(shapes)).to_vec()));
        let values: Vec<(usize, &[f32])> =
            lists.into_iter().flatten().flatten().map(|tensor| (to, &tensor.values[..])).collect();
        cluster.exchange(&values, &mut []);
    }

    /// Receives tensors from the root.
    pub fn receive(cluster: &Cluster) -> Self {
        let Shapes(shapes) = receive(cluster, 0, Patience::Answer);
        let blank = |(name, shape): NamedShape| {
            let values = vec![0.0; shape.iter().product()];
            NamedTensor { name, shape, values }
        };
        let mut lists: Vec<Option<Vec<NamedTensor>>> =
            shapes.into_iter().map(|list| list.map(|list| list.into_iter().map(blank).collect())).collect();
        let mut incoming: Vec<(usize, &mut [f32])> =
            lists.iter_mut().flatten().flatten().map(|tensor| (0, &mut tensor.values[..])).collect();
        cluster.exchange(&[], &mut incoming);
        let mut lists = lists.into_iter();
        let mut next = || lists.next().flatten();
        Self {
            model: next().unwrap_or_default(),
            optimizer: next().unwrap_or_default(),
            ema: next().unwrap_or_default(),
            lora: next(),
        }
    }
}
