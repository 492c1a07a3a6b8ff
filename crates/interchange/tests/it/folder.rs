//! Copies of the fixtures that a test may change, and what is expected of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use burn::tensor::Device;
use infer::{TrainedModel, Translator};
use model::backend;
use safetensors::SafeTensors;
use serde_json::Value;
use temp_dir::TempDir;

/// Weights in float32 sums of another order.
pub const LOGITS_TOLERANCE: f32 = 1e-4;

/// One folder per activation, way of tying, vocabulary and kind of SentencePiece model.
pub const NAMES: [&str; 3] = ["swish", "relu-separate", "gelu-bytes"];

pub fn device() -> Device {
    backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device")
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/marian").join(name)
}

/// A folder for a test to write in, with a copy of a Marian folder inside.
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    pub fn of(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.child("marian")).unwrap();
        for entry in fs::read_dir(fixture(name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.child("marian").join(path.file_name().unwrap())).unwrap();
        }
        Self { folder }
    }

    pub fn marian(&self) -> PathBuf {
        self.folder.child("marian")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.child(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.marian().join(name), bytes).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.marian().join(name)).unwrap();
    }

    /// Changes a JSON file of the folder.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = json(&self.marian().join(name));
        change(&mut value);
        self.write(name, value.to_string());
    }

    /// Imports the folder and opens the run.
    pub fn imported(&self, run: &str) -> TrainedModel {
        let run = self.path(run);
        infer::marian::import(&self.marian(), &run, &device()).expect("an import");
        TrainedModel::open(&run, &device()).expect("a run")
    }

    /// What an import that has to fail says; nothing is left of it.
    pub fn refusal(&self) -> String {
        let run = self.path("refused.run");
        let error = infer::marian::import(&self.marian(), &run, &device()).expect_err("a refusal").to_string();
        assert!(!run.exists(), "{error}");
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), 1, "{error}");
        error.replace(&format!("{}/", self.marian().display()), "")
    }
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// What the libraries make of a folder's texts.
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

    /// The texts that were translated, and the answers with a beam: ids up to `</s>`.
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

/// A model's answers: ids, text, whether it ended them itself.
pub fn answers(trained: &mut TrainedModel, texts: &[String], beam: usize) -> Vec<(Vec<u32>, String, bool)> {
    trained.decoding.beam = beam;
    let found = Translator::new(trained, 512).unwrap().translate(texts, 1).unwrap();
    let labels = trained.target_tokenizer.labels();
    let id = |token: &String| labels.iter().position(|label| label == token).unwrap() as u32;
    let best = found.into_iter().map(|one| one.best);
    best.map(|best| (best.tokens.iter().map(id).collect(), best.text, best.finished)).collect()
}

/// Runs the `infer` binary.
pub fn infer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_infer")).args(arguments).output().expect("the program")
}
