//! Copies of the fixtures, and their expected results in the ids of the run folder.

use std::fs;

use decode::TrainedModel;
use interchange::Format;
use safetensors::SafeTensors;
use serde_json::Value;
use testing::marian_fixture::{MarianFolder, huggingface_fixture, json};
use text::Tokenizer;

use crate::folder::device;

/// Every fixture.
pub const NAMES: [&str; 9] = ["t5", "umt5", "byt5", "bart", "mbart", "mbart50", "m2m100", "nllb", "pegasus"];

/// The languages of the translations in a fixture: of the source, of the target.
pub fn languages(name: &str) -> [Option<String>; 2] {
    let languages = match name {
        "mbart" | "mbart50" => ["en_XX", "de_DE"],
        "m2m100" => ["en", "de"],
        "nllb" => ["eng_Latn", "deu_Latn"],
        _ => return [None, None],
    };
    languages.map(|language| Some(language.to_owned()))
}

pub fn copy(name: &str) -> MarianFolder {
    MarianFolder::copy_of(&huggingface_fixture(name))
}

/// Imports a copy in the format that is recognised, and opens the run.
pub fn imported(copy: &MarianFolder, run: &str) -> TrainedModel {
    let (input, run) = (copy.marian(), copy.path(run));
    let format = interchange::recognise(&input).unwrap();
    assert!(matches!(format, Format::HuggingFace(_)), "{format:?}");
    interchange::import(format, &input, &run, &device()).unwrap_or_else(|error| panic!("{error}"));
    TrainedModel::open(&run, &device()).expect("a run")
}

/// Returns the error message of an import that must fail and leave no file.
pub fn rejection(copy: &MarianFolder) -> String {
    let (input, run) = (copy.marian(), copy.path("rejected.run"));
    let result = interchange::recognise(&input).and_then(|format| interchange::import(format, &input, &run, &device()));
    let error = result.expect_err("an error").to_string();
    assert!(!run.exists(), "{error}");
    error.replace(&format!("{}/", input.display()), "").replace(&input.display().to_string(), "FOLDER")
}

/// Expected results, with ids as in the run folder.
pub struct Expected {
    values: Value,
    logits: Vec<u8>,
    /// The decoder's start, in the folder.
    start: u32,
    /// The id here of each id there.
    new_ids: Vec<usize>,
    end: u32,
}

impl Expected {
    pub fn of(name: &str, tokenizer: &Tokenizer) -> Self {
        let folder = huggingface_fixture(name);
        let ids = tokenizer.special_ids();
        let values = json(&folder.join("expected.json"));
        Self {
            start: values["start"].as_u64().unwrap_or(u64::from(ids.padding)) as u32,
            values,
            logits: fs::read(folder.join("expected.safetensors")).unwrap(),
            new_ids: ids.new_ids(tokenizer.vocab_size()),
            end: ids.end,
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_value(self.values[key].clone()).unwrap()
    }

    fn here(&self, ids: Vec<u32>) -> Vec<u32> {
        ids.into_iter().map(|id| self.new_ids[id as usize] as u32).collect()
    }

    pub fn texts(&self) -> Vec<String> {
        self.read("texts")
    }

    /// The ids of each text.
    pub fn ids(&self) -> Vec<Vec<u32>> {
        self.read::<Vec<Vec<u32>>>("ids").into_iter().map(|ids| self.here(ids)).collect()
    }

    /// The decoder's start.
    pub fn start(&self) -> u32 {
        self.new_ids[self.start as usize] as u32
    }

    /// The ids of each text by `tokenizer.json`.
    pub fn file_ids(&self) -> Vec<Vec<u32>> {
        self.read::<Vec<Vec<u32>>>("file_ids").into_iter().map(|ids| self.here(ids)).collect()
    }

    pub fn pairs(&self) -> Vec<(Vec<u32>, Vec<u32>)> {
        let pairs = self.read::<Vec<(Vec<u32>, Vec<u32>)>>("pairs").into_iter();
        pairs.map(|(source, target)| (self.here(source), self.here(target))).collect()
    }

    /// The logits of a pair, in the order of the ids here.
    pub fn logits(&self, pair: usize) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.logits).unwrap();
        let data = file.tensor(&format!("logits.{pair}")).unwrap().data().to_vec();
        let theirs: Vec<f32> = data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let mut ours = vec![0.0; theirs.len()];
        for (at, value) in theirs.into_iter().enumerate() {
            let (row, id) = (at / self.new_ids.len(), at % self.new_ids.len());
            ours[row * self.new_ids.len() + self.new_ids[id]] = value;
        }
        ours
    }

    /// The translated texts.
    pub fn sources(&self) -> Vec<String> {
        let texts = self.texts();
        self.read::<Vec<usize>>("translated").into_iter().map(|at| texts[at].clone()).collect()
    }

    /// Their translations with this beam: the ids before `</s>`, and whether it ends them.
    pub fn outputs(&self, beam: usize) -> Vec<(Vec<u32>, bool)> {
        let outputs: Vec<Vec<u32>> = serde_json::from_value(self.values["outputs"][beam.to_string()].clone()).unwrap();
        let cut = |ids: Vec<u32>| {
            let ended = ids.contains(&self.end);
            (self.here(ids.into_iter().take_while(|id| *id != self.end).collect()), ended)
        };
        outputs.into_iter().map(cut).collect()
    }

    /// The texts of the translations with a beam of 4.
    pub fn output_texts(&self) -> Vec<String> {
        self.read("output_texts")
    }
}
