//! `infer serve` over real connections: every path, option, limit and status, concurrent clients, and shutdown.

mod http;
mod limits;
mod load;
mod metrics;
mod operation;
mod rejections;
mod responses;
mod several;
#[cfg(unix)]
mod shutdown;
mod too_long;

use burn::tensor::Device;
use model::{ModelConfig, VocabularySizes, backend, weights};
use testing::run::{Run, config, tokenizer};

fn device() -> Device {
    backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device")
}

/// A run whose translations always reach the length limit, which makes them slow.
fn slow() -> Run {
    let run = Run::new();
    let config = ModelConfig { d_model: 64, d_ff: 256, decoder_layers: 4, max_length: SLOW_LENGTH, ..config() };
    let sizes = VocabularySizes::joint(tokenizer().vocab_size());
    let blank = model::Transformer::new(&config, sizes, 1, &device()).expect("a valid configuration");
    let mut tensors = weights::collect(&blank);
    for tensor in tensors.iter_mut().filter(|tensor| tensor.name == "embeddings.shared") {
        // A zero embedding gives `</s>` a logit of zero; one of ten other tokens always has a larger one.
        tensor.values[..64].fill(0.0);
    }
    let toml = toml::to_string(&config).expect("TOML");
    run.write("config.toml", format!("[model]\n{toml}\n[decoding]\nmax_length = {SLOW_LENGTH}\n"));
    run.write("model.safetensors", weights::to_safetensors(&tensors, "{}").expect("weights"));
    run
}

/// Positions of the slow model.
const SLOW_LENGTH: usize = 2000;
