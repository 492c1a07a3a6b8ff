//! A run folder exported to a Marian folder and imported again has the same answers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use decode::TrainedModel;
use interchange::huggingface::Family;
use interchange::{Format, InterchangeError, marian};
use model::config::{Activation, NormKind, NormOrder, PositionKind, Tie};
use model::random::{self, Rng};
use model::weights::{self, NamedTensor};
use model::{ModelConfig, Transformer, VocabularySizes};
use runs::{DecodingConfig, SavedModel};
use temp_dir::TempDir;
use testing::variants::variants;
use text::{Direction, Tokenizer, TokenizerConfig, TokenizerKind};

use crate::folder::{Copy, Expected, Import as _, NAMES, answers, device, json};

/// A model and its weights.
struct Model {
    trained: TrainedModel,
    tensors: Vec<NamedTensor>,
}

impl Model {
    fn new(network: &Transformer, config: ModelConfig, source: Arc<Tokenizer>, target: Arc<Tokenizer>) -> Self {
        let saved = SavedModel::new(config, DecodingConfig::default(), source, target);
        let trained = TrainedModel::from_network(network, saved, device());
        Self { trained, tensors: weights::collect(network) }
    }

    /// The model of a run folder.
    fn open(run: &Path) -> Self {
        let (tensors, _) = weights::from_safetensors(&fs::read(run.join("model.safetensors")).unwrap()).unwrap();
        Self { trained: TrainedModel::open(run, &device()).unwrap(), tensors }
    }

    fn export(&self, output: &Path) -> Result<(), InterchangeError> {
        let decoding = &self.trained.decoding;
        marian::export(&self.trained.saved, self.tensors.clone(), decoding, Path::new("runs/x"), output)
    }
}

/// A model with random weights, biases and norms included.
fn model(change: impl FnOnce(&mut ModelConfig)) -> Model {
    let words: Vec<String> = (0..20).map(|word| format!("w{word}")).collect();
    let tokenizer = Arc::new(Tokenizer::from_words(&words));
    let mut config = ModelConfig {
        d_model: 16,
        n_heads: 2,
        d_ff: 24,
        encoder_layers: 1,
        decoder_layers: 2,
        max_length: 24,
        ..ModelConfig::default()
    };
    change(&mut config);
    let sizes = VocabularySizes::joint(tokenizer.vocab_size());
    let model = Transformer::new(&config, sizes, 3, &device()).unwrap();
    let mut drawn = 0;
    let model = weights::replace(model, |_, shape| {
        drawn += 1;
        let mut rng = Rng::new(random::key(&[drawn]));
        (0..shape.iter().product()).map(|_| (rng.below(2001) as f32 - 1000.0) / 1500.0).collect()
    });
    Model::new(&model, config, tokenizer.clone(), tokenizer)
}

fn logits(model: &Model) -> Vec<f32> {
    model.trained.engine.record(&[2, 7, 9, 3, 0], &[4, 4, 8, 0]).unwrap().logits.concat()
}

fn round_trip(model: &Model) -> Model {
    try_round_trip(model).unwrap()
}

/// Exports and imports.
///
/// # Errors
/// An export that Marian's format does not support.
fn try_round_trip(model: &Model) -> Result<Model, InterchangeError> {
    let folder = TempDir::new().unwrap();
    let (marian, run) = (folder.child("deep/marian"), folder.child("run"));
    model.export(&marian)?;
    marian::import(&marian, &run, &device()).unwrap();
    Ok(Model::open(&run))
}

/// Each variant keeps its logits through export and import, or the export rejects its option by name.
#[test]
fn variants_are_exported_or_rejected_by_name() {
    let mut survivors = Vec::new();
    for variant in variants(&model(|_| {}).trained.config) {
        let before = model(|config| *config = variant.config.clone());
        match try_round_trip(&before) {
            Ok(after) => {
                // Another order of columns, the same function.
                assert_eq!(after.trained.config.positions, PositionKind::SinusoidalHalves);
                let (before, after) = (logits(&before), logits(&after));
                assert_eq!(before.len(), after.len());
                assert!(before.iter().zip(after).all(|(a, b)| (a - b).abs() < 1e-5), "{}", variant.name());
                survivors.push(variant.name());
            }
            Err(error) => {
                let error = error.to_string();
                let named =
                    |(option, value): &(&str, _)| error.contains(&format!("model.{option} = {value}: expected"));
                assert!(variant.changes.iter().any(named), "{}: {error}", variant.name());
            }
        }
    }
    let expected = [
        "base",
        "activation_gelu",
        "activation_silu",
        "activation_gelu_tanh",
        "positions_sinusoidal_halves",
        "tie_none",
        "tie_decoder",
        "bias_false",
        "output_bias_true",
        "scale_embeddings_false",
        "decoder_heads_2",
        "decoder_d_ff_14",
        "positions_sinusoidal_halves, output_bias_true",
        "tie_none, output_bias_true",
    ];
    assert_eq!(survivors, expected);
}

/// An imported folder is exported to SentencePiece models that give the same run.
#[test]
fn an_import_is_exported_unchanged() {
    for name in NAMES {
        let copy = Copy::new(name);
        drop(copy.imported("run"));
        let before = Model::open(&copy.path("run"));
        let after = round_trip(&before);
        assert_eq!(before.tensors, after.tensors, "{name}");
        let (before, after) = (before.trained, after.trained);
        assert_eq!(before.source_tokenizer.to_json(), after.source_tokenizer.to_json(), "{name}");
        assert_eq!(before.target_tokenizer.to_json(), after.target_tokenizer.to_json(), "{name}");
        assert_eq!((&before.config, &before.decoding), (&after.config, &after.decoding), "{name}");
        let texts = Expected::of(name).answers(1).0;
        assert_eq!(answers(&before, &texts, 1), answers(&after, &texts, 1), "{name}");
    }
}

/// Vocabularies of this program, joint or separate, are unchanged after export and import.
#[test]
fn own_vocabularies_are_exported_unchanged() {
    let lines = ["the cat sat on the mat, quickly", "the dog found a big brown box", "my father gave her the vase"];
    let target =
        ["die Katze saß schnell auf der Matte", "der Hund fand eine große Kiste", "mein Vater gab ihr die Vase"];
    let train = |kind, vocab_size, lines: &[&str]| {
        let config = TokenizerConfig { kind, vocab_size, ..TokenizerConfig::default() };
        Arc::new(Tokenizer::train(&config, lines.iter()).unwrap())
    };
    // Marian's vocabularies are of one size.
    let mut pairs = vec![
        (train(TokenizerKind::Character, 99, &["ab c"]), train(TokenizerKind::Whitespace, 99, &["aː tʃ d e"])),
        (train(TokenizerKind::Word, 99, &["one two three four"]), train(TokenizerKind::Character, 99, &["p q r"])),
        (train(TokenizerKind::Bytes, 259, &["a"]), train(TokenizerKind::Bytes, 259, &["b"])),
    ];
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let side = |lines: &[&str]| train(kind, 286, lines);
        pairs.extend([(side(&lines), side(&lines)), (side(&lines), side(&target))]);
    }
    for (source, target) in pairs {
        let sizes = VocabularySizes { source: source.vocab_size(), target: target.vocab_size() };
        let config = model(|config| config.tie = Tie::Decoder).trained.saved.config;
        let network = Transformer::new(&config, sizes, 1, &device()).unwrap();
        let before = Model::new(&network, config, source, target);
        let after = round_trip(&before).trained;
        let before = before.trained;
        assert_eq!(after.source_tokenizer.to_json(), before.source_tokenizer.to_json());
        assert_eq!(after.target_tokenizer.to_json(), before.target_tokenizer.to_json());
    }
}

/// The files hold what transformers reads.
#[test]
fn export_writes_a_complete_marian_folder() {
    let folder = TempDir::new().unwrap();
    let mut model = model(|_| {});
    model.trained.saved.decoding = DecodingConfig { beam: 4, max_length: Some(20), ..DecodingConfig::default() };
    model.export(&folder.child("out")).unwrap();
    let read = |name: &str| json(&folder.child("out").join(name));
    let config = read("config.json");
    assert_eq!((&config["model_type"], &config["d_model"]), (&"marian".into(), &16.into()));
    assert_eq!((&config["pad_token_id"], &config["decoder_start_token_id"]), (&22.into(), &22.into()));
    let generation = read("generation_config.json");
    assert_eq!((&generation["num_beams"], &generation["max_length"]), (&4.into(), &21.into()));
    assert_eq!(generation["bad_words_ids"], serde_json::json!([[22]]));
    assert_eq!((&read("vocab.json")["</s>"], &read("vocab.json")["<pad>"]), (&0.into(), &22.into()));
    assert_eq!(read("tokenizer.json")["post_processor"]["special_tokens"]["</s>"]["ids"][0], 0);
    assert_eq!(read("tokenizer_config.json")["eos_token"], "</s>");
    let names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["out"]);
}

#[test]
fn options_that_marian_lacks_are_rejected() {
    let folder = TempDir::new().unwrap();
    let rejection = |model: &Model| {
        let output = folder.child("out");
        let error = model.export(&output).unwrap_err().to_string();
        assert!(!output.exists());
        error
    };
    type Case = (fn(&mut ModelConfig), &'static str);
    let cases: [Case; 4] = [
        (
            |config| config.norm = NormOrder::Pre,
            "model.norm = \"pre\": expected model.norm = \"post\": Marian has nothing else; train with model.norm = \"post\" to export",
        ),
        (|config| config.norm_kind = NormKind::Rms, "model.norm_kind = \"rms\": expected model.norm_kind = \"layer\""),
        (
            |config| config.positions = PositionKind::Learned,
            "model.positions = \"learned\": expected model.positions = \"sinusoidal\"",
        ),
        (
            |config| config.activation = Activation::Swiglu,
            "model.activation = \"swiglu\": expected model.activation = \"relu\"",
        ),
    ];
    for (change, message) in cases {
        let error = rejection(&model(change));
        assert!(error.starts_with("runs/x/config.toml: ") && error.contains(message), "{error}");
    }
    let mut two = model(|config| config.tie = Tie::Decoder);
    let words: Vec<String> = (0..27).map(|word| format!("w{word}")).collect();
    two.trained.saved.source_tokenizer = Arc::new(Tokenizer::from_words(&words));
    two.trained.saved.sizes.source = 30;
    assert!(rejection(&two).contains("the vocabulary sizes = 30 and 23: expected equal ones"));
    let config = TokenizerConfig {
        kind: TokenizerKind::Character,
        direction: Direction::RightToLeft,
        ..TokenizerConfig::default()
    };
    let mut reversed = model(|_| {});
    reversed.trained.saved.target_tokenizer = Arc::new(Tokenizer::train(&config, ["ab"].iter()).unwrap());
    let Model { trained, tensors } = reversed;
    for format in [Format::Marian, Format::HuggingFace(Family::Bart)] {
        let (run, output) = (Path::new("runs/x"), folder.child("out"));
        let exported = interchange::export(format, &trained.saved, tensors.clone(), &trained.decoding, run, &output);
        let error = exported.unwrap_err().to_string();
        let expected = "runs/x/config.toml: tokenizer.direction = \"right_to_left\": expected \"left_to_right\"";
        assert!(error.starts_with(expected) && !output.exists(), "{error}");
    }
    let mut wu = model(|_| {});
    wu.trained.saved.decoding =
        DecodingConfig { beam: 4, length_penalty: "wu:0.6".parse().unwrap(), ..DecodingConfig::default() };
    assert!(rejection(&wu).contains("decoding.length_penalty.form = \"wu\": expected \"power\""));
}

#[test]
fn an_existing_output_is_unchanged() {
    let folder = TempDir::new().unwrap();
    let trained = model(|_| {});
    let export = |name: &str| trained.export(&folder.child(name));
    fs::create_dir(folder.child("empty")).unwrap();
    export("empty").unwrap();
    fs::create_dir(folder.child("full")).unwrap();
    fs::write(folder.child("full/mine"), "").unwrap();
    let error = export("full").unwrap_err().to_string();
    assert!(error.contains("full: found something there, expected nothing or an empty folder"), "{error}");
    fs::write(folder.child("file"), "").unwrap();
    assert!(export("file").is_err());
    assert_eq!(fs::read_dir(folder.child("full")).unwrap().count(), 1);
}
