//! Views of attention: the weights of every head for one sentence and its translation, and the vectors behind them.
//!
//! [`attend`] records an [`Attention`]. Its JSON is the `.json` output of `infer attend`, whose schema is this type: the
//! same field names, matrices as nested arrays. [`page`] and [`picture`] draw the other outputs from it.

pub mod page;
pub mod picture;
mod record;

use decode::TextProblem;
use model::ByAttention;
pub use record::{EncodedTarget, attend, attend_encoded};
use serde::Serialize;

/// The attention of one pass over a source and a target.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attention {
    /// Name and version of the schema: `attend.attention/1`.
    pub format: &'static str,
    /// The source.
    pub source: Sentence,
    /// The target.
    pub target: Target,
    /// Attention heads per layer of the encoder.
    pub n_heads: usize,
    /// Width of the model.
    pub d_model: usize,
    /// Weights after the softmax and before dropout, `[layer][head][query][key]`; each row sums to one.
    #[cfg_attr(feature = "schema", schemars(with = "ByAttentionSchema<Vec<Vec<Matrix>>>"))]
    pub maps: ByAttention<Vec<Vec<Matrix>>>,
    /// Queries, keys and values of each layer, from which equation 1 computes the weights. Empty for an attention whose
    /// scores are not those of equation 1, since they are unscaled or have terms by distance.
    #[cfg_attr(feature = "schema", schemars(with = "ByAttentionSchema<Vec<Vectors>>"))]
    pub vectors: ByAttention<Vec<Vectors>>,
    /// The decoder's prediction at each position, one entry per target output.
    pub steps: Vec<Step>,
}

impl Attention {
    /// Returns JSON on one line, whose numbers parse to the same float32 bit for bit.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are representable in JSON")
    }
}

/// The schema of [`ByAttention`], whose crate has no schemas.
#[cfg(feature = "schema")]
#[derive(schemars::JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "a schema alone")]
struct ByAttentionSchema<T> {
    /// Encoder self-attention.
    encoder: T,
    /// Decoder self-attention.
    decoder: T,
    /// Cross-attention.
    cross: T,
}

/// A row of numbers for each token.
pub type Matrix = Vec<Vec<f32>>;

/// The source, as the encoder reads it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    /// The text as given.
    pub text: String,
    /// Labels of the tokens, the final `</s>` included. A leading space of a subword appears as `▁`, a byte token as
    /// `<0x41>`.
    pub tokens: Vec<String>,
    /// Why `tokens` are not the whole text; absent if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<TextProblem>,
}

/// The target, as the decoder reads it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// The translation.
    pub text: String,
    /// Decoder inputs: `<pad>`, the decoder start, then every output except the last.
    pub inputs: Vec<String>,
    /// Decoder outputs: every token, the final `</s>` included unless a length limit ended the translation.
    pub outputs: Vec<String>,
    /// Whether the translation was given rather than decoded.
    pub given: bool,
    /// Why `outputs` are not the whole of a given translation; absent if they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<TextProblem>,
}

/// Queries, keys and values of one layer, each `[head][token][head_size]`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Vectors {
    /// Queries.
    pub queries: Vec<Matrix>,
    /// Keys.
    pub keys: Vec<Matrix>,
    /// Values.
    pub values: Vec<Matrix>,
}

/// The prediction of one target token.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// The token, as in `target.outputs`.
    pub token: String,
    /// Its probability, from 0 to 1; 1 for a token before every text, such as its language.
    pub probability: f32,
    /// The five most probable tokens, best first; of a token before every text, that token alone.
    pub candidates: Vec<Candidate>,
}

/// A candidate for the next token.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its label.
    pub token: String,
    /// Its probability, from 0 to 1.
    pub probability: f32,
}
