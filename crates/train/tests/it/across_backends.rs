//! A run folder decodes to the same text on every backend.

use std::fs;
use std::sync::atomic::AtomicBool;

use decode::{TrainedModel, Translator};
use model::backend::{self, Backend};
use model::device_index::LocalRank;
use runs::IfExists;
use train::{Outcome, Run, RunConfig, RunOptions, Silent};

const CONFIG: &str = r#"
[task]
kind = "copy"
min_length = 4 # one shape throughout: a GPU compiles its kernels for each
max_length = 4

[model]
d_model = 16
n_heads = 2
d_ff = 32
encoder_layers = 1
decoder_layers = 1
dropout = 0.1
max_length = 16

[training]
steps = 30
max_tokens = 40
micro_batches = 2
schedule = "constant"
learning_rate = 0.01
warmup_steps = 5

[validation]
every = 30
sentences = 4
"#;

/// The backends in this build; GPUs only with the feature `gpu-tests`.
fn backends() -> Vec<Backend> {
    backend::compiled().into_iter().filter(|backend| !backend.is_gpu() || cfg!(feature = "gpu-tests")).collect()
}

#[test]
fn all_backends_decode_a_run_to_the_same_text() {
    let place = temp_dir::TempDir::new().unwrap();
    let file = place.path().join("copy.toml");
    fs::write(&file, CONFIG).unwrap();
    let config = RunConfig::load(&file, &[]).unwrap();
    let texts = ["3 1 4 1", "5 9 2 6", "5 3 5 8"].map(String::from);
    for trained_on in backends() {
        let folder = place.path().join(trained_on.to_string());
        let (output, config_path) = (folder.clone(), file.clone());
        let options = RunOptions {
            output,
            if_exists: IfExists::Fail,
            backend: trained_on,
            device_index: None,
            local: LocalRank::default(),
            config_path,
        };
        let run = Run::prepare(config.clone(), options).unwrap();
        let outcome = run.train(&mut Silent, &AtomicBool::new(false)).unwrap();
        assert!(matches!(outcome, Outcome::Finished(Some(_))));

        let decode = |backend: Backend| {
            let trained = TrainedModel::open(&folder, &backend.open().unwrap()).unwrap();
            let translations = Translator::new(&trained, trained.settings()).unwrap().translate(&texts).unwrap();
            translations.into_iter().map(|translation| translation.best.text).collect::<Vec<_>>()
        };
        let expected = decode(trained_on);
        assert!(expected.iter().any(|text| !text.is_empty()), "expected a text: {expected:?}");
        for backend in backends() {
            assert_eq!(decode(backend), expected, "trained on {trained_on}, decoded on {backend}");
        }
    }
}
