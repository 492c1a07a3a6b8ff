//! Attention as data, page and picture: correct numbers of the right translation, and rejected inputs.

mod forced;
mod numbers;
mod plain;
mod views;

use decode::{Settings, TrainedModel, TranslationResult, Translator};
use model::random::{self, Rng};
use model::{ModelConfig, Transformer, VocabularySizes, backend, weights};
use testing::run::{Run, config, texts};
use text::{END_ID, Tokenizer};

const ROUNDING: f64 = 1e-5;

fn opened(run: &Run) -> TrainedModel {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    TrainedModel::open(run.path(), &device).expect("a run folder")
}

/// A run of two layers with weights as large as trained ones, none of them zero or one. Larger numbers would exceed the
/// precision of float32.
fn with_moderate_weights(tokenizer: &Tokenizer) -> Run {
    let config = ModelConfig { encoder_layers: 2, decoder_layers: 2, ..config() };
    let run = Run::new();
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let sizes = VocabularySizes::joint(tokenizer.vocab_size());
    let mut tensors = weights::collect(&Transformer::new(&config, sizes, 5, &device).expect("a valid configuration"));
    let mut rng = Rng::new(random::key(&[11]));
    for tensor in &mut tensors {
        let sharper = if tensor.name.contains("query") || tensor.name.contains("key") { 2.0 } else { 1.0 };
        for value in &mut tensor.values {
            let change = if tensor.shape.len() == 1 { (rng.below(2001) as f32 - 1000.0) / 4000.0 } else { 0.0 };
            *value = *value * sharper + change;
        }
    }
    run.write("config.toml", format!("[model]\n{}", toml::to_string(&config).expect("TOML")));
    run.write("source.tokenizer.json", tokenizer.to_json());
    run.write("target.tokenizer.json", tokenizer.to_json());
    run.write("model.safetensors", weights::to_safetensors(&tensors, "{}").expect("weights"));
    run
}

fn translated(trained: &TrainedModel, settings: Settings, text: &str) -> TranslationResult {
    let translations =
        Translator::new(trained, settings).and_then(|translator| translator.translate(&[text.to_string()]));
    translations.expect("a translation").remove(0)
}

/// Texts whose translations, given as targets, are the same tokens.
fn faithful(trained: &TrainedModel) -> Vec<(String, TranslationResult)> {
    let both = texts(60).into_iter().map(|text| (text.clone(), translated(trained, trained.settings(), &text)));
    let found: Vec<_> = both
        .filter(|(_, result)| {
            let result = &result.best;
            result.finished && !result.tokens.is_empty() && result.tokens.iter().all(|token| token != "<unk>")
        })
        .collect();
    assert!(found.len() >= 3, "only {} of 60", found.len());
    found
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut ids = tokenizer.encode(text).expect("ids");
    ids.push(END_ID);
    ids
}

fn close(what: &str, found: f32, expected: f64) {
    assert!((f64::from(found) - expected).abs() <= ROUNDING, "{what}: {found} is not {expected}");
}
