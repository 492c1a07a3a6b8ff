//! Copies of the fixtures that a test may change, and their expected results.

use std::fs;

use burn::tensor::Device;
use decode::{TrainedModel, Translator};
use model::backend;
use safetensors::SafeTensors;
use serde_json::Value;
pub use testing::marian_fixture::{MarianFolder as Copy, fixture, json};

/// Tolerance of logits, for float32 sums in another order.
pub const LOGITS_TOLERANCE: f32 = 1e-4;

/// Folders with all activations, ties, vocabularies and kinds of SentencePiece model.
pub const NAMES: [&str; 3] = ["swish", "relu-separate", "gelu-bytes"];

pub fn device() -> Device {
    backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device")
}

/// Import of a copy.
pub trait Import {
    /// Imports the folder and opens the run.
    fn imported(&self, run: &str) -> TrainedModel;

    /// Returns the error message of an import that must fail and leave no file.
    fn rejection(&self) -> String;
}

impl Import for Copy {
    fn imported(&self, run: &str) -> TrainedModel {
        let run = self.path(run);
        interchange::marian::import(&self.marian(), &run, &device()).expect("an import");
        TrainedModel::open(&run, &device()).expect("a run")
    }

    fn rejection(&self) -> String {
        let run = self.path("rejected.run");
        let error = interchange::marian::import(&self.marian(), &run, &device()).expect_err("an error").to_string();
        assert!(!run.exists(), "{error}");
        assert_eq!(fs::read_dir(self.path("")).unwrap().count(), 1, "{error}");
        error.replace(&format!("{}/", self.marian().display()), "")
    }
}

/// Expected results for the texts of a folder.
pub struct Expected {
    values: Value,
    logits: Vec<u8>,
}

impl Expected {
    pub fn of(name: &str) -> Self {
        let folder = fixture(name);
        Self {
            values: json(&folder.join("expected.json")),
            logits: fs::read(folder.join("expected.safetensors")).unwrap(),
        }
    }

    pub fn texts(&self) -> Vec<String> {
        self.values["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    /// `source_ids` or `target_ids`.
    pub fn ids(&self, key: &str) -> Vec<Vec<u32>> {
        serde_json::from_value(self.values[key].clone()).unwrap()
    }

    pub fn pairs(&self) -> Vec<(Vec<u32>, Vec<u32>)> {
        serde_json::from_value(self.values["pairs"].clone()).unwrap()
    }

    pub fn logits(&self, pair: usize) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.logits).unwrap();
        let data = file.tensor(&format!("logits.{pair}")).unwrap().data().to_vec();
        data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    }

    /// The translated texts, and their translations with this beam: ids up to `</s>`.
    pub fn answers(&self, beam: usize) -> (Vec<String>, Vec<Vec<u32>>) {
        let texts = self.texts();
        let translated: Vec<usize> = serde_json::from_value(self.values["translated"].clone()).unwrap();
        let answers: Vec<Vec<u32>> = serde_json::from_value(self.values["answers"][beam.to_string()].clone()).unwrap();
        let ended = |ids: Vec<u32>| ids.into_iter().take_while(|id| *id != 0).collect();
        (translated.into_iter().map(|at| texts[at].clone()).collect(), answers.into_iter().map(ended).collect())
    }

    pub fn answer_texts(&self) -> Vec<String> {
        serde_json::from_value(self.values["answer_texts"].clone()).unwrap()
    }
}

/// A model's translations: ids, text, and whether `</s>` ended them.
pub fn answers(trained: &TrainedModel, texts: &[String], beam: usize) -> Vec<(Vec<u32>, String, bool)> {
    answers_in(trained, texts, [None, None], beam)
}

/// As [`answers`], between the languages of source and target.
pub fn answers_in(
    trained: &TrainedModel,
    texts: &[String],
    [source, target]: [Option<String>; 2],
    beam: usize,
) -> Vec<(Vec<u32>, String, bool)> {
    let mut settings = trained.settings();
    settings.decoding.beam = beam;
    settings.decoding.source_lang = source;
    settings.decoding.target_lang = target;
    let translator = Translator::new(trained, settings).unwrap().with_batch_tokens(512).unwrap();
    let found = translator.translate(texts).unwrap();
    let labels = trained.target_tokenizer.labels();
    let id = |token: &String| labels.iter().position(|label| label == token).unwrap() as u32;
    let best = found.into_iter().map(|one| one.best);
    best.map(|best| (best.tokens.iter().map(id).collect(), best.text, best.finished)).collect()
}
