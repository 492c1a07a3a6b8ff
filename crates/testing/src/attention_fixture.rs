//! A synthetic attention: vectors from a formula, and weights from the vectors by equation 1.

use model::ByAttention;
use views::{Attention, Candidate, Matrix, Sentence, Step, Target, Vectors};

/// Sizes of a synthetic attention.
pub struct Sizes {
    /// Layers of each attention.
    pub layers: usize,
    /// Heads per layer.
    pub heads: usize,
    /// Width of a head.
    pub head_size: usize,
}

/// Two layers of three heads.
pub fn small() -> Attention {
    attention(
        &Sizes { layers: 2, heads: 3, head_size: 10 },
        &["▁The", "▁cat", "▁sat", ".", "</s>"],
        &["▁Die", "▁Katze", "▁saß", ".", "</s>"],
    )
}

/// As large as the base model of the paper, with sixty tokens on either side.
pub fn large() -> Attention {
    let tokens: Vec<String> = (0..60).map(|place| format!("▁word{place}")).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    attention(&Sizes { layers: 6, heads: 8, head_size: 64 }, &tokens, &tokens)
}

/// Tokens with HTML, scripts and characters that are hard to draw.
pub fn hostile() -> Attention {
    let long = "x".repeat(200);
    let tokens = [
        "<script>window.ran = 1</script>",
        "<img src=x onerror=\"window.ran = 1\">",
        "\"'&amp;<b>",
        "</script><!--",
        "שלום",
        "مرحبا",
        "👩‍👩‍👧",
        "\u{301}\u{302}\u{303}",
        "\u{2028}${window.ran = 1}`",
        "{{data}}",
        &long,
        "</s>",
    ];
    attention(&Sizes { layers: 1, heads: 2, head_size: 8 }, &tokens, &tokens)
}

/// A synthetic attention of these sizes and tokens, the end token included.
pub fn attention(sizes: &Sizes, source: &[&str], outputs: &[&str]) -> Attention {
    let owned = |tokens: &[&str]| tokens.iter().map(|token| token.to_string()).collect::<Vec<_>>();
    let text = |tokens: &[&str]| tokens[..tokens.len() - 1].concat().replace('▁', " ").trim().to_string();
    let (s, t) = (source.len(), outputs.len());
    let all = ByAttention {
        encoder: layers(sizes, 1, s, s, false),
        decoder: layers(sizes, 2, t, t, true),
        cross: layers(sizes, 3, t, s, false),
    };
    let ByAttention { encoder: (encoder, of_encoder), decoder: (decoder, of_decoder), cross: (cross, of_cross) } = all;
    let inputs = [&["<pad>"], &outputs[..t - 1]].concat();
    Attention {
        format: "attend.attention/1",
        source: Sentence { text: text(source), tokens: owned(source), problem: None },
        target: Target {
            text: text(outputs),
            inputs: owned(&inputs),
            outputs: owned(outputs),
            given: false,
            problem: None,
        },
        n_heads: sizes.heads,
        d_model: sizes.heads * sizes.head_size,
        maps: ByAttention { encoder, decoder, cross },
        vectors: ByAttention { encoder: of_encoder, decoder: of_decoder, cross: of_cross },
        steps: (0..t).map(|step| step_output(outputs, step)).collect(),
    }
}

type Layers = (Vec<Vec<Matrix>>, Vec<Vectors>);

fn layers(sizes: &Sizes, kind: usize, queries: usize, keys: usize, causal: bool) -> Layers {
    let made = |layer: usize, what: usize, rows: usize| -> Vec<Matrix> {
        (0..sizes.heads)
            .map(|head| matrix(1000 * kind + 100 * layer + 10 * head + what, rows, sizes.head_size))
            .collect()
    };
    (0..sizes.layers)
        .map(|layer| {
            let vectors =
                Vectors { queries: made(layer, 1, queries), keys: made(layer, 2, keys), values: made(layer, 3, keys) };
            let heads = vectors.queries.iter().zip(&vectors.keys);
            (heads.map(|(queries, keys)| weights(queries, keys, causal)).collect(), vectors)
        })
        .unzip()
}

/// Irregular numbers between -2 and 2.
fn matrix(seed: usize, rows: usize, columns: usize) -> Matrix {
    let number = |row: usize, column: usize| {
        2.0 * (seed as f32 * 0.37 + row as f32 * 1.7 + (column * column) as f32 * 0.9).sin()
    };
    (0..rows).map(|row| (0..columns).map(|column| number(row, column)).collect()).collect()
}

/// The score of a query and a key.
pub fn score(query: &[f32], key: &[f32]) -> f32 {
    query.iter().zip(key).map(|(query, key)| query * key).sum::<f32>() / (query.len() as f32).sqrt()
}

fn weights(queries: &Matrix, keys: &Matrix, causal: bool) -> Matrix {
    let visible = |row: usize, column: usize| !causal || column <= row;
    let row = |(row, query): (usize, &Vec<f32>)| {
        let powers: Vec<f32> = keys
            .iter()
            .enumerate()
            .map(|(column, key)| if visible(row, column) { score(query, key).exp() } else { 0.0 })
            .collect();
        let sum: f32 = powers.iter().sum();
        powers.iter().map(|power| power / sum).collect()
    };
    queries.iter().enumerate().map(row).collect()
}

fn step_output(outputs: &[&str], step: usize) -> Step {
    let probabilities = [0.5, 0.25, 0.125, 0.0625, 0.03];
    let candidate = |(place, probability): (usize, f32)| Candidate {
        token: outputs[(step + place) % outputs.len()].to_string(),
        probability,
    };
    Step {
        token: outputs[step].to_string(),
        probability: probabilities[0],
        candidates: probabilities.into_iter().enumerate().map(candidate).collect(),
    }
}
