//! The messages from the root to the other ranks.

use std::hash::{DefaultHasher, Hasher};

use cluster::{Cluster, Patience};
use model::{Transformer, weights};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data::Example;

/// What a rank does next.
#[derive(Debug, Serialize, Deserialize)]
pub enum Announcement {
    /// Creates the model. The tensors of the training state follow.
    Start(Start),
    /// Computes its micro-batches and updates the weights.
    Update {
        /// The number of the update, from 1.
        step: u64,
        /// Target tokens of the whole update.
        tokens: usize,
        /// The micro-batches of this rank.
        micro_batches: Vec<Vec<Example>>,
    },
    /// Translates texts with the current weights; replies with [`Reply::Translations`].
    Translate(Vec<String>),
    /// Replies with [`Reply::WeightsHash`].
    HashWeights,
    /// Replies with [`Reply::Moments`], after which their values follow.
    SendMoments,
    /// Ends.
    End,
}

/// The state of the run at its start, apart from tensors.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    /// The resolved configuration, as TOML.
    pub config: String,
    /// The tokenizer of the source, as its file.
    pub source_tokenizer: String,
    /// The tokenizer of the target, as its file.
    pub target_tokenizer: String,
    /// The id that the decoder reads first.
    pub decoder_start: u32,
}

/// The answer of a rank.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// The translations.
    Translations(Vec<String>),
    /// The hash of the weights of the rank.
    WeightsHash(u64),
    /// The names and lengths of the moments that the rank has of its slice.
    Moments(Vec<(String, usize)>),
    /// The weights are not finite, so that there are no translations.
    NotFinite,
    /// The rank failed.
    Failed(String),
}

/// Sends a message to a rank.
pub fn send(cluster: &Cluster, to: usize, message: &impl Serialize) {
    cluster.send(to, &serde_json::to_vec(message).expect("messages have only values that JSON can express"));
}

/// Receives a message from a rank.
///
/// # Panics
/// If the rank sends another kind of message: all ranks run the same program.
pub fn receive<Message: DeserializeOwned>(cluster: &Cluster, from: usize, patience: Patience) -> Message {
    serde_json::from_slice(&cluster.receive(from, patience)).expect("the ranks agree on their messages")
}

/// A hash of all weights to the last bit.
pub fn hash_weights(model: &Transformer) -> u64 {
    let mut hasher = DefaultHasher::new();
    let tensors = weights::collect(model);
    tensors.iter().flat_map(|tensor| &tensor.values).for_each(|value| hasher.write_u32(value.to_bits()));
    hasher.finish()
}
