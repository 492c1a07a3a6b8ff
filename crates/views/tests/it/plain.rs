//! The paper's formulas in plain loops and float64, independent of `model`: post-norm, ReLU, biases, sinusoids and one
//! shared embedding matrix.

use std::collections::HashMap;

use model::ModelConfig;
use model::weights::NamedTensor;

/// A row of numbers for each token.
pub type Rows = Vec<Vec<f64>>;

/// One layer's attention weights, `[head][query][key]`.
pub type Heads = Vec<Rows>;

pub struct Plain {
    config: ModelConfig,
    tensors: HashMap<String, NamedTensor>,
}

/// The decoder's output, and the attention weights of each layer.
pub struct Decoded {
    pub hidden: Rows,
    pub decoder: Vec<Heads>,
    pub cross: Vec<Heads>,
}

impl Plain {
    pub fn new(config: ModelConfig, tensors: Vec<NamedTensor>) -> Self {
        Self { config, tensors: tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect() }
    }

    /// The memory, and the attention weights of each layer.
    pub fn encode(&self, ids: &[u32]) -> (Rows, Vec<Heads>) {
        let mut x = self.embed(ids);
        let mut maps = Vec::new();
        for layer in 0..self.config.encoder_layers {
            let name = format!("encoder.layers.{layer}");
            let (change, heads) = self.attention(&format!("{name}.self_attention"), &x, &x, false);
            x = self.add_and_norm(&format!("{name}.self_attention_residual.norm"), &x, &change);
            let change = self.feed_forward(&format!("{name}.feed_forward"), &x);
            x = self.add_and_norm(&format!("{name}.feed_forward_residual.norm"), &x, &change);
            maps.push(heads);
        }
        (x, maps)
    }

    pub fn decode(&self, ids: &[u32], memory: &Rows) -> Decoded {
        let mut x = self.embed(ids);
        let (mut decoder, mut cross) = (Vec::new(), Vec::new());
        for layer in 0..self.config.decoder_layers {
            let name = format!("decoder.layers.{layer}");
            let (change, heads) = self.attention(&format!("{name}.self_attention"), &x, &x, true);
            x = self.add_and_norm(&format!("{name}.self_attention_residual.norm"), &x, &change);
            decoder.push(heads);
            let (change, heads) = self.attention(&format!("{name}.cross_attention"), &x, memory, false);
            x = self.add_and_norm(&format!("{name}.cross_attention_residual.norm"), &x, &change);
            cross.push(heads);
            let change = self.feed_forward(&format!("{name}.feed_forward"), &x);
            x = self.add_and_norm(&format!("{name}.feed_forward_residual.norm"), &x, &change);
        }
        Decoded { hidden: x, decoder, cross }
    }

    /// The probability of each next token; `<pad>`, the last one, is excluded.
    pub fn probabilities(&self, hidden: &Rows) -> Rows {
        let matrix = self.matrix("embeddings.shared");
        let words = &matrix[..matrix.len() - 1];
        hidden.iter().map(|x| softmax(words.iter().map(|word| dot(word, x)).collect())).collect()
    }

    /// √d times the token's embedding, plus its position (sections 3.4 and 3.5).
    fn embed(&self, ids: &[u32]) -> Rows {
        let (matrix, d) = (self.matrix("embeddings.shared"), self.config.d_model as f64);
        let mut rows = Vec::new();
        for (position, &id) in ids.iter().enumerate() {
            let mut row = matrix[id as usize].clone();
            for (column, value) in row.iter_mut().enumerate() {
                let angle = position as f64 / 10_000f64.powf((column / 2 * 2) as f64 / d);
                *value = *value * d.sqrt() + if column % 2 == 0 { angle.sin() } else { angle.cos() };
            }
            rows.push(row);
        }
        rows
    }

    /// Multi-head attention from `x` to `attended`, and the weights of equation 1 (section 3.2.2).
    fn attention(&self, name: &str, x: &Rows, attended: &Rows, causal: bool) -> (Rows, Heads) {
        let queries = self.linear(&format!("{name}.query"), x);
        let keys = self.linear(&format!("{name}.key"), attended);
        let values = self.linear(&format!("{name}.value"), attended);
        let size = self.config.d_model / self.config.n_heads;
        let mut gathered = vec![vec![0.0; self.config.d_model]; x.len()];
        let mut heads = Vec::new();
        for head in 0..self.config.n_heads {
            let columns = head * size..(head + 1) * size;
            let mut map = Vec::new();
            for (at, query) in queries.iter().enumerate() {
                let visible = if causal { at + 1 } else { keys.len() };
                let score = |key: &Vec<f64>| dot(&query[columns.clone()], &key[columns.clone()]) / (size as f64).sqrt();
                let mut weights = softmax(keys[..visible].iter().map(score).collect());
                weights.resize(keys.len(), 0.0);
                for (weight, value) in weights.iter().zip(&values) {
                    for column in columns.clone() {
                        gathered[at][column] += weight * value[column];
                    }
                }
                map.push(weights);
            }
            heads.push(map);
        }
        (self.linear(&format!("{name}.output"), &gathered), heads)
    }

    /// Section 3.3.
    fn feed_forward(&self, name: &str, x: &Rows) -> Rows {
        let mut inner = self.linear(&format!("{name}.inner"), x);
        inner.iter_mut().flatten().for_each(|value| *value = value.max(0.0));
        self.linear(&format!("{name}.output"), &inner)
    }

    /// Section 3.1: norm(x + sublayer(x)).
    fn add_and_norm(&self, name: &str, x: &Rows, change: &Rows) -> Rows {
        let (gamma, beta) = (self.vector(&format!("{name}.gamma")), self.vector(&format!("{name}.beta")));
        let norm = |(x, change): (&Vec<f64>, &Vec<f64>)| {
            let sum: Vec<f64> = x.iter().zip(change).map(|(x, change)| x + change).collect();
            let mean = sum.iter().sum::<f64>() / sum.len() as f64;
            let variance = sum.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / sum.len() as f64;
            let scaled = sum.iter().map(|value| (value - mean) / (variance + 1e-5).sqrt());
            scaled.zip(gamma.iter().zip(&beta)).map(|(value, (gamma, beta))| value * gamma + beta).collect()
        };
        x.iter().zip(change).map(norm).collect()
    }

    fn linear(&self, name: &str, x: &Rows) -> Rows {
        let (weight, bias) = (self.matrix(&format!("{name}.weight")), self.vector(&format!("{name}.bias")));
        let row = |x: &Vec<f64>| weight.iter().zip(&bias).map(|(weight, bias)| dot(weight, x) + bias).collect();
        x.iter().map(row).collect()
    }

    /// Rows are outputs (or tokens), columns inputs.
    fn matrix(&self, name: &str) -> Rows {
        let columns = self.tensors[name].shape[1];
        self.vector(name).chunks(columns).map(<[f64]>::to_vec).collect()
    }

    fn vector(&self, name: &str) -> Vec<f64> {
        self.tensors[name].values.iter().copied().map(f64::from).collect()
    }
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn softmax(scores: Vec<f64>) -> Vec<f64> {
    let peak = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - peak).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}
