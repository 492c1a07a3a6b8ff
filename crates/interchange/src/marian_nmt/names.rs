//! Names of the weights in Marian.

use model::config::NormOrder;

/// A weight of Marian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarianWeight {
    /// Name in the model file, such as `encoder_l1_self_Wq`.
    pub name: String,
    /// How the file stores it.
    pub layout: Layout,
}

/// The layout of a weight in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[in, out]`; here it is `[out, in]`.
    Transposed,
    /// A vector, `[1, width]`.
    Vector,
    /// A row per token, without `<pad>`.
    Table,
    /// A column per token, without `<pad>`.
    TransposedTable,
    /// A number per token, `[1, vocabulary]`, without `<pad>`.
    TokenVector,
}

/// Parts of a layer: the name here, Marian's block, what follows `W` and `b` there.
const PARTS: [(&str, &str, &str); 12] = [
    ("self_attention.query", "self", "q"),
    ("self_attention.key", "self", "k"),
    ("self_attention.value", "self", "v"),
    ("self_attention.output", "self", "o"),
    ("ssru.input", "rnn", ""),
    ("ssru.forget", "rnn", "f"),
    ("cross_attention.query", "context", "q"),
    ("cross_attention.key", "context", "k"),
    ("cross_attention.value", "context", "v"),
    ("cross_attention.output", "context", "o"),
    ("feed_forward.inner", "ffn", "1"),
    ("feed_forward.output", "ffn", "2"),
];

/// Returns the names that Marian may give a weight of `model`, with their layouts; none for a weight that it lacks.
pub fn candidates(ours: &str, norm: NormOrder, recurrent: bool) -> Vec<MarianWeight> {
    let one = |name: &str, layout| MarianWeight { name: name.to_owned(), layout };
    match ours {
        "embeddings.shared" => return vec![one("Wemb", Layout::Table)],
        "embeddings.source" => return vec![one("encoder_Wemb", Layout::Table)],
        "embeddings.target" => return vec![one("decoder_Wemb", Layout::Table)],
        "embeddings.output" => {
            return vec![
                one("decoder_ff_logit_out_Wt", Layout::Table),
                one("decoder_ff_logit_out_W", Layout::TransposedTable),
            ];
        }
        "embeddings.output_bias" => return vec![one("decoder_ff_logit_out_b", Layout::TokenVector)],
        _ => {}
    }
    let kind = |part: &str| match part {
        "gamma" => Some("scale"),
        "beta" => Some("bias"),
        _ => None,
    };
    let suffix = match norm {
        NormOrder::Post => "",
        NormOrder::Pre => "_pre",
    };
    let found = (|| {
        if let Some((stack, part)) = ours.split_once(".norm.").filter(|(stack, _)| !stack.contains('.')) {
            return Some(one(&format!("{stack}_top_ln_{}", kind(part)?), Layout::Vector));
        }
        // `encoder.layers.0.self_attention.query.weight`
        let (stack, rest) = ours.split_once(".layers.")?;
        let (layer, rest) = rest.split_once('.')?;
        let layer = layer.parse::<usize>().ok()? + 1;
        let (part, what) = rest.rsplit_once('.')?;
        if let Some(sublayer) = part.strip_suffix("_residual.norm") {
            let block = match sublayer {
                "self_attention" if recurrent && stack == "decoder" => "rnn_ffn",
                "self_attention" => "self_Wo",
                "cross_attention" => "context_Wo",
                "feed_forward" => "ffn_ffn",
                _ => return None,
            };
            return Some(one(&format!("{stack}_l{layer}_{block}_ln_{}{suffix}", kind(what)?), Layout::Vector));
        }
        let (_, block, letter) = PARTS.iter().find(|(name, ..)| *name == part)?;
        match what {
            "weight" => Some(one(&format!("{stack}_l{layer}_{block}_W{letter}"), Layout::Transposed)),
            "bias" => Some(one(&format!("{stack}_l{layer}_{block}_b{letter}"), Layout::Vector)),
            _ => None,
        }
    })();
    found.into_iter().collect()
}
