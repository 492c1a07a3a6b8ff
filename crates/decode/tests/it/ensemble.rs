//! Several models decode as one whose log-probabilities are the mean of theirs.

use std::fs;

use decode::engine::StepOutput;
use decode::{TrainedModel, Translator};
use kernels::decode::logits::log_sum_exp;
use model::Transformer;
use model::weights;
use temp_dir::TempDir;
use testing::run::{Run, config, texts, tokenizer};

const LONG: usize = 24;
const SHORT: usize = 8;

fn device() -> burn::tensor::Device {
    model::backend::choose(Some("flex")).and_then(|backend| backend.open()).unwrap()
}

/// A run folder like that of the tests, with weights of a seed.
fn run(seed: u64, max_length: usize) -> Run {
    let run = Run::new();
    let sizes = model::VocabularySizes { source: tokenizer().vocab_size(), target: tokenizer().vocab_size() };
    let network = Transformer::new(&config(), sizes, seed, &device()).unwrap();
    run.write("model.safetensors", weights::to_safetensors(&weights::collect(&network), "").unwrap());
    run.configure(&format!("max_length = {}", config().max_length), &format!("max_length = {max_length}"));
    run
}

fn log_probabilities(model: &TrainedModel, source: &[u32], tokens: &[u32]) -> Vec<Vec<f32>> {
    let mut state = model.engine.start(&[source], None);
    let mut output = StepOutput::default();
    let rows = tokens.iter().map(|&token| {
        state.step(&[token], &mut output).unwrap();
        let total = log_sum_exp(&output.logits) as f32;
        output.logits.iter().map(|logit| logit - total).collect()
    });
    rows.collect()
}

#[test]
fn log_probabilities_are_the_mean() {
    let runs = [run(1, LONG), run(2, LONG), run(3, LONG)];
    let folders: Vec<_> = runs.iter().map(|run| run.path()).collect();
    let ensemble = TrainedModel::open_ensemble(&folders, &device(), None).unwrap();
    let models = folders.iter().map(|folder| TrainedModel::open(folder, &device()).unwrap()).collect::<Vec<_>>();
    assert_eq!(ensemble.engine.parameters(), 3 * models[0].engine.parameters());
    let (source, tokens) = ([5, 3, 4, 0], [ensemble.engine.start_token(), 4, 7, 3]);
    let found = log_probabilities(&ensemble, &source, &tokens);
    let single: Vec<_> = models.iter().map(|model| log_probabilities(model, &source, &tokens)).collect();
    for (step, row) in found.iter().enumerate() {
        let mean: Vec<f32> =
            (0..row.len()).map(|id| single.iter().map(|all| all[step][id]).sum::<f32>() / 3.0).collect();
        let total = log_sum_exp(&mean) as f32;
        for (found, mean) in row.iter().zip(&mean) {
            assert!((found - (mean - total)).abs() < 1e-5, "{found} {mean}");
        }
    }
}

#[test]
fn a_model_with_itself_translates_as_alone() {
    let run = run(4, LONG);
    let single = TrainedModel::open(run.path(), &device()).unwrap();
    let twice = TrainedModel::open_ensemble(&[run.path(), run.path()], &device(), None).unwrap();
    let texts = texts(12);
    for beam in [1, 3] {
        let translate = |model: &TrainedModel| {
            let mut settings = model.settings();
            settings.decoding.beam = beam;
            let found = Translator::new(model, settings).unwrap().translate(&texts).unwrap();
            found.into_iter().map(|result| result.best.text).collect::<Vec<_>>()
        };
        assert_eq!(translate(&twice), translate(&single));
    }
}

#[test]
fn the_shortest_positions_bound_all() {
    let (long, short) = (run(1, LONG), run(2, SHORT));
    let ensemble = TrainedModel::open_ensemble(&[long.path(), short.path()], &device(), None).unwrap();
    assert_eq!(ensemble.config.max_length, SHORT);
    let text = ["1"; SHORT].join(" ");
    let translator = Translator::new(&ensemble, ensemble.settings()).unwrap();
    assert!(translator.translate(&[text]).unwrap_err().to_string().contains("positions for 8"));
}

#[test]
fn other_vocabularies_are_rejected() {
    let (one, other) = (run(1, LONG), run(2, LONG));
    let file = fs::read(other.path().join("target.tokenizer.json")).unwrap();
    other.write("target.tokenizer.json", String::from_utf8(file).unwrap().replace("\"9\"", "\"nine\""));
    let message = TrainedModel::open_ensemble(&[one.path(), other.path()], &device(), None).unwrap_err().to_string();
    for part in ["target.tokenizer.json", "\"nine\"", "\"9\"", "same vocabularies"] {
        assert!(message.contains(part), "{message}");
    }
    let empty = TempDir::new().unwrap();
    assert!(TrainedModel::open_ensemble(&[one.path(), empty.path()], &device(), None).is_err());
}
