//! What a model attends to: every map of every head for one sentence and its translation, with the numbers they come
//! from.
//!
//! [`Attention`] is what there is to see. As JSON it is `infer attend`'s `.json` output, whose schema is this type's:
//! field names as here, matrices as nested arrays. The other forms are drawn from it.

pub mod page;
pub mod picture;
mod record;

pub use record::{attend, attend_up_to};
use serde::Serialize;

/// The attention of one pass over a source and a target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attention {
    /// Names this form: `attend.attention/1`.
    pub format: &'static str,
    pub source: Sentence,
    pub target: Target,
    /// Attention heads in each layer.
    pub n_heads: usize,
    pub d_model: usize,
    /// Weights after the softmax and before dropout, `[layer][head][query][key]`; each row sums to one.
    pub maps: Kinds<Vec<Vec<Matrix>>>,
    /// What the maps are made of, by layer.
    pub vectors: Kinds<Vec<Vectors>>,
    /// How the translation came about, one entry per target output.
    pub steps: Vec<Step>,
}

impl Attention {
    /// As JSON, on one line. Every number is written so that a reader of float32 gets it back bit for bit.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers have a form in JSON")
    }
}

/// A row of numbers for each token.
pub type Matrix = Vec<Vec<f32>>;

/// The source as the encoder sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    pub text: String,
    /// Readable labels of the tokens, the closing `</s>` included. A leading space of a subword shows as `▁`, a byte
    /// token as `<0x41>`.
    pub tokens: Vec<String>,
}

/// The target as the decoder sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    pub text: String,
    /// What the decoder reads at each position: `<pad>`, its start, then every token but the last.
    pub inputs: Vec<String>,
    /// What it says there: every token, the closing `</s>` included, unless a limit cut it off.
    pub outputs: Vec<String>,
    /// Whether the translation was given, rather than the model's own.
    pub given: bool,
}

/// One value for each of the three attentions of figure 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Kinds<T> {
    /// Source to source.
    pub encoder: T,
    /// Target to earlier target (queries and keys are `target.inputs`; later keys are masked and exactly zero).
    pub decoder: T,
    /// Target (`target.inputs`) to source.
    pub cross: T,
}

/// Queries, keys and values of one layer, each `[head][token][head_size]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vectors {
    pub queries: Vec<Matrix>,
    pub keys: Vec<Matrix>,
    pub values: Vec<Matrix>,
}

/// One step of generation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What came out (or was given), as in `target.outputs`.
    pub token: String,
    pub probability: f32,
    /// The five most probable tokens, best first.
    pub candidates: Vec<Candidate>,
}

/// A token that might come next.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    pub token: String,
    pub probability: f32,
}
