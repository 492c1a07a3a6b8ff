//! Shared by the tests of training.

use std::path::Path;

pub use testing::samples;
pub use testing::work_folder::set;
pub use testing::{ProcessOutput, WorkFolder};

/// Decodes texts with a run folder.
pub fn decode(run: &Path, texts: &[&str]) -> Vec<String> {
    let device = model::backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let trained = decode::TrainedModel::open(run, &device).expect("a run folder");
    let translator = decode::Translator::new(&trained, trained.settings()).expect("a translator");
    let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
    translator.translate(&texts).expect("texts that fit").into_iter().map(|translation| translation.best.text).collect()
}
