//! Small models of other families with transformers' results, for the tests of both engines.
//!
//! `scripts/fixtures/families.py` writes them under the names of transformers, which this module maps.

use burn::tensor::{Device, Int, Tensor, TensorData};
use model::batch::{SourceBatch, padded};
use model::weights::NamedTensor;
use model::{Batch, Mask, ModelConfig, VocabularySizes};

use crate::model_fixture::Fixture;

/// The families, each a file `family_NAME.safetensors`.
pub const FAMILIES: [&str; 8] = ["t5", "t5_1_1", "mt5", "umt5", "bart", "mbart", "m2m_100", "pegasus"];

/// `<pad>` of the sources.
const PAD: usize = 1;
/// Rows at the start of BART's table of positions that no position has.
const POSITION_OFFSET: usize = 2;

/// A model of a family, its input, and what transformers computed from it.
pub struct Family {
    fixture: Fixture,
}

impl Family {
    /// Loads a family's fixture.
    pub fn load(name: &str) -> Self {
        Self { fixture: Fixture::load(&format!("family_{name}")) }
    }

    /// The options that make the network compute what the family does.
    pub fn config(&self) -> ModelConfig {
        self.fixture.config()
    }

    /// One vocabulary for both sides.
    pub fn sizes(&self) -> VocabularySizes {
        VocabularySizes::joint(self.fixture.meta["vocabulary"].as_u64().expect("a number") as usize)
    }

    /// The weights under the names of the network.
    pub fn weights(&self) -> Vec<NamedTensor> {
        self.named("weight.")
    }

    /// The gradients of Σ logits · upstream under the names of the network.
    pub fn gradients(&self) -> Vec<NamedTensor> {
        self.named("gradient.")
    }

    /// The gradient of the logits, `[batch * target_len, vocabulary]`.
    pub fn upstream(&self, device: &Device) -> Tensor<2> {
        let upstream = self.fixture.tensor::<3>("upstream", device);
        let [rows, len, vocabulary] = upstream.dims();
        upstream.reshape([rows * len, vocabulary])
    }

    /// The logits, `[batch * target_len, vocabulary]`.
    pub fn logits(&self) -> &[f32] {
        self.fixture.floats("logits")
    }

    /// The sources without their padding.
    pub fn sources(&self) -> Vec<Vec<u32>> {
        self.fixture.sentences("source", PAD)
    }

    /// Greedy outputs, the start token first.
    pub fn greedy(&self) -> Vec<Vec<u32>> {
        self.fixture.sentences("greedy", usize::MAX)
    }

    /// The padded sources and decoder inputs.
    pub fn batch(&self, device: &Device) -> Batch {
        let sources = self.sources();
        let lengths: Vec<usize> = sources.iter().map(Vec::len).collect();
        let len = lengths.iter().copied().max().expect("a source");
        let rows = sources.iter().map(|row| row.iter().copied());
        let source = SourceBatch { ids: padded(rows, len, PAD, device), mask: Mask::padding(&lengths, len) };
        let ids: Vec<i32> = self.fixture.ids("target_input").iter().map(|&id| id as i32).collect();
        let shape = [sources.len(), ids.len() / sources.len()];
        let target_input = Tensor::<2, Int>::from_data(TensorData::new(ids, shape), device);
        Batch { source, target_output: target_input.clone(), target_input, target_tokens: shape[0] * shape[1] }
    }

    fn named(&self, prefix: &str) -> Vec<NamedTensor> {
        let mut tensors = self.fixture.under(prefix);
        for tensor in &mut tensors {
            let name = our_name(&tensor.name).unwrap_or_else(|| panic!("{} has no counterpart", tensor.name));
            if name.ends_with("_positions.table") {
                let [rows, width] = tensor.shape[..] else { panic!("{name} is a matrix") };
                tensor.values.drain(..POSITION_OFFSET * width);
                tensor.shape = vec![rows - POSITION_OFFSET, width];
            }
            if name == "embeddings.output_bias" {
                tensor.shape.remove(0);
            }
            tensor.name = name;
        }
        tensors
    }
}

/// Whole names: transformers', the network's.
const WHOLE: [(&str, &str); 12] = [
    ("shared.weight", "embeddings.shared"),
    ("model.shared.weight", "embeddings.shared"),
    ("lm_head.weight", "embeddings.output"),
    ("final_logits_bias", "embeddings.output_bias"),
    ("model.encoder.embed_positions.weight", "source_positions.table"),
    ("model.decoder.embed_positions.weight", "target_positions.table"),
    ("encoder.final_layer_norm.weight", "encoder.norm.gamma"),
    ("decoder.final_layer_norm.weight", "decoder.norm.gamma"),
    ("model.encoder.layernorm_embedding", "source_embedding_norm"),
    ("model.decoder.layernorm_embedding", "target_embedding_norm"),
    ("model.encoder.layer_norm", "encoder.norm"),
    ("model.decoder.layer_norm", "decoder.norm"),
];

/// Parts of a layer: transformers' name in T5 or the others, the network's.
const PARTS: [(&str, &str); 25] = [
    ("SelfAttention.q", "self_attention.query"),
    ("SelfAttention.k", "self_attention.key"),
    ("SelfAttention.v", "self_attention.value"),
    ("SelfAttention.o", "self_attention.output"),
    ("EncDecAttention.q", "cross_attention.query"),
    ("EncDecAttention.k", "cross_attention.key"),
    ("EncDecAttention.v", "cross_attention.value"),
    ("EncDecAttention.o", "cross_attention.output"),
    ("DenseReluDense.wi", "feed_forward.inner"),
    ("DenseReluDense.wi_0", "feed_forward.gate"),
    ("DenseReluDense.wi_1", "feed_forward.inner"),
    ("DenseReluDense.wo", "feed_forward.output"),
    ("self_attn.q_proj", "self_attention.query"),
    ("self_attn.k_proj", "self_attention.key"),
    ("self_attn.v_proj", "self_attention.value"),
    ("self_attn.out_proj", "self_attention.output"),
    ("self_attn_layer_norm", "self_attention_residual.norm"),
    ("encoder_attn.q_proj", "cross_attention.query"),
    ("encoder_attn.k_proj", "cross_attention.key"),
    ("encoder_attn.v_proj", "cross_attention.value"),
    ("encoder_attn.out_proj", "cross_attention.output"),
    ("encoder_attn_layer_norm", "cross_attention_residual.norm"),
    ("fc1", "feed_forward.inner"),
    ("fc2", "feed_forward.output"),
    ("final_layer_norm", "feed_forward_residual.norm"),
];

/// The network's name of a weight of transformers.
fn our_name(theirs: &str) -> Option<String> {
    if let Some((_, ours)) = WHOLE.iter().find(|(name, _)| *name == theirs) {
        return Some((*ours).to_owned());
    }
    let (module, kind) = theirs.rsplit_once('.')?;
    if let Some((_, ours)) = WHOLE.iter().find(|(name, _)| *name == module) {
        return Some(format!("{ours}.{}", norm_part(kind)?));
    }
    let (stack, rest) = theirs.trim_start_matches("model.").split_once('.')?;
    let rest = rest.strip_prefix("layers.").or_else(|| rest.strip_prefix("block."))?;
    let (layer, rest) = rest.split_once('.')?;
    // T5 numbers the sub-layers: `layer.1.EncDecAttention.q`.
    let (sublayer, rest) = match rest.strip_prefix("layer.").and_then(|rest| rest.split_once('.')) {
        Some((sublayer, rest)) => (Some(sublayer), rest),
        None => (None, rest),
    };
    let (part, kind) = rest.rsplit_once('.')?;
    let ours = match (sublayer, part) {
        (Some(_), "SelfAttention.relative_attention_bias") => {
            return Some(format!("{stack}.relative_positions.{layer}.bias"));
        }
        (Some("0"), "layer_norm") => "self_attention_residual.norm",
        (Some("1"), "layer_norm") if stack == "decoder" => "cross_attention_residual.norm",
        (Some(_), "layer_norm") => "feed_forward_residual.norm",
        (_, part) => PARTS.iter().find(|(name, _)| *name == part)?.1,
    };
    let kind = if ours.ends_with("norm") { norm_part(kind)? } else { kind };
    Some(format!("{stack}.layers.{layer}.{ours}.{kind}"))
}

fn norm_part(kind: &str) -> Option<&'static str> {
    match kind {
        "weight" => Some("gamma"),
        "bias" => Some("beta"),
        _ => None,
    }
}
