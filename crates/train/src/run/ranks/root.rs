//! The root's side: announcements to the other ranks, and their replies.

use std::collections::BTreeMap;
use std::iter;

use cluster::{Cluster, Patience, share};
use decode::DecodeError;
use model::weights::NamedTensor;
use runs::RunConfig;

use super::announcement::{Announcement, Reply, Start, hash_weights, receive, send};
use super::tensors::StateTensors;
use crate::data::Example;
use crate::error::TrainError;
use crate::optim::{Division, TrainState};
use crate::task::Task;

/// All ranks, as the root sees them.
#[derive(Clone, Copy, Debug)]
pub struct Ranks<'a> {
    cluster: &'a Cluster,
}

impl<'a> Ranks<'a> {
    /// The ranks of a cluster.
    pub fn new(cluster: &'a Cluster) -> Self {
        Self { cluster }
    }

    /// The cluster.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// Whether there are other ranks.
    pub fn are_several(&self) -> bool {
        self.cluster.size() > 1
    }

    /// Sends the state of the run to the other ranks; returns that of the root, which keeps its slice of the moments if
    /// they are divided.
    pub fn start(&self, config: &RunConfig, task: &Task, state: TrainState) -> TrainState {
        if !self.are_several() {
            return state;
        }
        let start = Announcement::Start(Start {
            config: config.to_toml(),
            source_tokenizer: task.source_tokenizer.to_json(),
            target_tokenizer: task.target_tokenizer.to_json(),
            decoder_start: task.frames.target.start,
        });
        let division = Division::new(state.model(), state.lora().is_some(), self.cluster.size());
        let tensors = StateTensors::of(&state);
        for rank in self.cluster.others() {
            send(self.cluster, rank, &start);
            tensors.send(self.cluster, rank, &division);
        }
        self.cluster.take_traffic(); // only updates are counted
        state.divided(division, self.cluster.rank())
    }

    /// Sends each rank its micro-batches of an update; returns those of the root.
    pub fn deal<'b>(&self, step: u64, tokens: usize, micro_batches: &'b [Vec<Example>]) -> &'b [Vec<Example>] {
        let share = |rank| &micro_batches[share(micro_batches.len(), self.cluster.size(), rank)];
        for rank in self.cluster.others() {
            let micro_batches = share(rank).to_vec();
            send(self.cluster, rank, &Announcement::Update { step, tokens, micro_batches });
        }
        share(0)
    }

    /// Translates texts on all ranks, here by `translate`. The translations are in the order of the texts.
    ///
    /// # Errors
    /// A rank that fails.
    pub fn translate(
        &self,
        texts: &[String],
        translate: impl Fn(&[String]) -> Result<Vec<String>, TrainError>,
    ) -> Result<Vec<String>, TrainError> {
        let share = |rank| &texts[share(texts.len(), self.cluster.size(), rank)];
        for rank in self.cluster.others() {
            send(self.cluster, rank, &Announcement::Translate(share(rank).to_vec()));
        }
        let own = translate(share(0));
        let replies: Vec<(usize, Reply)> =
            self.cluster.others().map(|rank| (rank, receive(self.cluster, rank, Patience::Answer))).collect();
        let others = replies.into_iter().map(|(rank, reply)| match reply {
            Reply::Translations(texts) => Ok(texts),
            Reply::WeightsHash(_) | Reply::Moments(_) => {
                Err(self.failed(rank, "it sent something else instead of translations".to_string()))
            }
            Reply::NotFinite => Err(DecodeError::NotFinite.into()),
            Reply::Failed(message) => Err(self.failed(rank, message)),
        });
        Ok(iter::once(own).chain(others).collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Checks that all ranks have the same weights.
    ///
    /// # Errors
    /// A rank whose weights differ.
    pub fn compare_weights(&self, state: &TrainState, step: u64) -> Result<(), TrainError> {
        if !self.are_several() {
            return Ok(());
        }
        self.cluster.others().for_each(|rank| send(self.cluster, rank, &Announcement::HashWeights));
        let own = hash_weights(state.model());
        for rank in self.cluster.others() {
            match receive(self.cluster, rank, Patience::Answer) {
                Reply::WeightsHash(hash) if hash == own => {}
                Reply::WeightsHash(_) => {
                    let host = self.cluster.host(rank).to_string();
                    return Err(TrainError::WeightsDiffer { rank, host, step });
                }
                Reply::Translations(_) | Reply::Moments(_) | Reply::NotFinite => {
                    return Err(self.failed(rank, "it sent something else instead of a hash".to_string()));
                }
                Reply::Failed(message) => return Err(self.failed(rank, message)),
            }
        }
        Ok(())
    }

    /// Returns the moments of the optimizer as a whole, from the slices of all ranks.
    ///
    /// # Errors
    /// A rank that fails.
    pub fn moments(&self, state: &TrainState) -> Result<Vec<NamedTensor>, TrainError> {
        let own = state.optimizer().tensors();
        if !self.are_several() || !state.division().divides_moments() {
            return Ok(own);
        }
        // Slices are contiguous and in the order of the ranks.
        let mut whole: BTreeMap<String, Vec<f32>> =
            own.into_iter().map(|tensor| (tensor.name, tensor.values)).collect();
        for rank in self.cluster.others() {
            send(self.cluster, rank, &Announcement::SendMoments);
            let shapes = match receive(self.cluster, rank, Patience::Answer) {
                Reply::Moments(shapes) => shapes,
                Reply::Translations(_) | Reply::WeightsHash(_) | Reply::NotFinite => {
                    return Err(self.failed(rank, "it sent something else instead of moments".to_string()));
                }
                Reply::Failed(message) => return Err(self.failed(rank, message)),
            };
            let mut pieces: Vec<Vec<f32>> = shapes.iter().map(|(_, len)| vec![0.0; *len]).collect();
            let mut incoming: Vec<(usize, &mut [f32])> =
                pieces.iter_mut().map(|values| (rank, &mut values[..])).collect();
            self.cluster.exchange(&[], &mut incoming);
            shapes.into_iter().zip(pieces).for_each(|((name, _), piece)| whole.entry(name).or_default().extend(piece));
        }
        let tensor = |(name, values): (String, Vec<f32>)| NamedTensor { name, shape: vec![values.len()], values };
        Ok(whole.into_iter().map(tensor).collect())
    }

    /// Returns the share of `seconds` that the root spent exchanging gradients, and the bytes that it sent, since the last
    /// call; `None` without other ranks.
    pub fn traffic(&self, seconds: f64) -> Option<(f64, u64)> {
        let (bytes, time) = self.cluster.take_traffic();
        self.are_several().then(|| (time.as_secs_f64() / seconds, bytes))
    }

    /// Ends the other ranks, once all have done their work.
    pub fn end(&self) {
        self.cluster.others().for_each(|rank| send(self.cluster, rank, &Announcement::End));
        self.cluster.meet();
    }

    /// A line such as `4 processes: rank 0 on a, ranks 1 to 3 on b`.
    pub fn description(&self) -> String {
        let mut hosts: Vec<(&str, usize, usize)> = Vec::new(); // host, first and last rank
        for rank in 0..self.cluster.size() {
            let host = self.cluster.host(rank);
            match hosts.last_mut() {
                Some((name, _, last)) if *name == host => *last = rank,
                Some(_) | None => hosts.push((host, rank, rank)),
            }
        }
        let name = |(host, first, last): &(&str, usize, usize)| match first == last {
            true => format!("rank {first} on {host}"),
            false => format!("ranks {first} to {last} on {host}"),
        };
        let hosts: Vec<String> = hosts.iter().map(name).collect();
        format!("{} processes: {}", self.cluster.size(), hosts.join(", "))
    }

    fn failed(&self, rank: usize, message: String) -> TrainError {
        TrainError::RankFailed { rank, host: self.cluster.host(rank).to_string(), message }
    }
}
