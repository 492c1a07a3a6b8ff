//! Names of the weights in Hugging Face Marian.

use model::VocabularySizes;

/// A weight of Marian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarianParameter {
    /// Name in the weights file, such as `model.encoder.layers.0.fc1.weight`.
    pub name: String,
    /// Axis of the `d_model` columns that all layers share, which [`positions`](super::positions) reorders.
    pub shared_axis: Option<usize>,
}

/// Name of Marian's output bias, `[1, vocabulary]`; here it is `[vocabulary]`.
pub const LOGITS_BIAS: &str = "final_logits_bias";

/// Embedding matrices: the name here, the name in Marian.
const EMBEDDINGS: [(&str, &str); 4] = [
    ("embeddings.shared", "model.shared.weight"),
    ("embeddings.source", "model.encoder.embed_tokens.weight"),
    ("embeddings.target", "model.decoder.embed_tokens.weight"),
    ("embeddings.output", "lm_head.weight"),
];

/// Returns the size of the vocabulary whose entries are the rows of a weight of `model`, if they are.
pub fn vocabulary(ours: &str, sizes: VocabularySizes) -> Option<usize> {
    match ours.strip_prefix("embeddings.")? {
        "shared" | "source" => Some(sizes.source),
        "target" | "output" | "output_bias" => Some(sizes.target),
        _ => None,
    }
}

/// Parts of a layer: the name here, the name in Marian, the shared axis of the matrix `[out, in]`, that of the bias.
const PARTS: [(&str, &str, usize, Option<usize>); 13] = [
    ("self_attention.query", "self_attn.q_proj", 1, None),
    ("self_attention.key", "self_attn.k_proj", 1, None),
    ("self_attention.value", "self_attn.v_proj", 1, None),
    ("self_attention.output", "self_attn.out_proj", 0, Some(0)),
    ("self_attention_residual.norm", "self_attn_layer_norm", 0, Some(0)),
    ("cross_attention.query", "encoder_attn.q_proj", 1, None),
    ("cross_attention.key", "encoder_attn.k_proj", 1, None),
    ("cross_attention.value", "encoder_attn.v_proj", 1, None),
    ("cross_attention.output", "encoder_attn.out_proj", 0, Some(0)),
    ("cross_attention_residual.norm", "encoder_attn_layer_norm", 0, Some(0)),
    ("feed_forward.inner", "fc1", 1, None),
    ("feed_forward.output", "fc2", 0, Some(0)),
    ("feed_forward_residual.norm", "final_layer_norm", 0, Some(0)),
];

/// Returns Marian's counterpart of a weight of `model`, if Marian has one.
pub fn marian_parameter(ours: &str) -> Option<MarianParameter> {
    if ours == "embeddings.output_bias" {
        return Some(MarianParameter { name: LOGITS_BIAS.to_owned(), shared_axis: None });
    }
    if let Some((_, name)) = EMBEDDINGS.iter().find(|(name, _)| *name == ours) {
        return Some(MarianParameter { name: (*name).to_owned(), shared_axis: Some(1) });
    }
    // `encoder.layers.0.self_attention.query.weight`
    let (stack, rest) = ours.split_once(".layers.")?;
    let (layer, rest) = rest.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let (_, theirs, weight_axis, bias_axis) = PARTS.iter().find(|(name, ..)| *name == part)?;
    let (kind, shared_axis) = match kind {
        "weight" | "gamma" => ("weight", Some(*weight_axis)),
        "bias" | "beta" => ("bias", *bias_axis),
        _ => return None,
    };
    Some(MarianParameter { name: format!("model.{stack}.layers.{layer}.{theirs}.{kind}"), shared_axis })
}

#[cfg(test)]
mod tests {
    use model::{ModelConfig, Transformer, VocabularySizes, backend, weights};

    use super::*;

    /// Only axes of the shared columns have the length `d_model` here.
    #[test]
    fn every_weight_has_a_name_and_its_shared_axis() {
        let config = ModelConfig { d_model: 6, n_heads: 2, d_ff: 10, output_bias: true, ..ModelConfig::default() };
        let device = backend::choose(Some("flex")).unwrap().open().unwrap();
        let model = Transformer::blank(&config, VocabularySizes::joint(9), &device).unwrap();
        for (name, shape) in weights::shapes(&model) {
            let parameter = marian_parameter(&name).unwrap_or_else(|| panic!("{name} has no counterpart"));
            let square = shape == [6, 6];
            match parameter.shared_axis {
                Some(axis) => assert_eq!(shape[axis], 6, "{name}"),
                None => assert!(name.ends_with("bias"), "{name}"),
            }
            if !square && shape.contains(&6) && !name.ends_with("bias") {
                assert!(parameter.shared_axis.is_some(), "{name}");
            }
        }
        assert_eq!(marian_parameter("encoder.norm.gamma"), None);
        assert_eq!(marian_parameter("encoder.layers.0.feed_forward.gate.weight"), None);
    }
}
