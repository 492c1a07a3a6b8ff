//! A Marian folder as a run folder: the same ids, logits and answers as transformers gives.

use std::fs;

use infer::TrainedModel;
use model::config::Tie;
use model::{Batch, Pass};

use crate::folder::{Copy, Expected, LOGITS_TOLERANCE, NAMES, answers, infer};

fn furthest(trained: &TrainedModel, expected: &Expected) -> f32 {
    let mut furthest = 0f32;
    for (at, (source, target)) in expected.pairs().iter().enumerate() {
        let batch = Batch::new(&[(source, target)], trained.sizes, &trained.device);
        let logits = trained.network().unwrap().forward(&batch, &mut Pass::inference());
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let theirs = expected.logits(at);
        assert_eq!(logits.len(), theirs.len());
        let difference = logits.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
        furthest = difference.fold(furthest, |a, b| if b.is_nan() { f32::INFINITY } else { a.max(b) });
    }
    furthest
}

#[test]
fn texts_become_the_ids_that_sentencepiece_and_the_vocabulary_give() {
    for name in NAMES {
        let (trained, expected) = (Copy::of(name).imported("run"), Expected::of(name));
        let texts = expected.texts();
        for (tokenizer, key) in [(&trained.source_tokenizer, "source_ids"), (&trained.target_tokenizer, "target_ids")] {
            for (text, ids) in texts.iter().zip(expected.ids(key)) {
                assert_eq!(tokenizer.encode(text).unwrap(), ids, "{name}, {key}: {text:?}");
            }
        }
    }
}

#[test]
fn logits_are_those_of_transformers() {
    for name in NAMES {
        let furthest = furthest(&Copy::of(name).imported("run"), &Expected::of(name));
        assert!(furthest < LOGITS_TOLERANCE, "{name}: {furthest}");
    }
}

/// Both of PyTorch's own forms hold the same weights as the safetensors file, to the bit.
#[test]
fn pytorch_files_give_the_same_run() {
    let copy = Copy::of("swish");
    drop(copy.imported("run"));
    let weights = |run: &str| fs::read(copy.path(run).join("model.safetensors")).unwrap();
    for form in ["bin", "legacy"] {
        fs::copy(copy.marian().join(format!("{form}.bin")), copy.marian().join("pytorch_model.bin")).unwrap();
        drop(fs::remove_file(copy.marian().join("model.safetensors")));
        drop(copy.imported(form));
        assert_eq!(weights(form), weights("run"), "{form}");
    }
}

#[test]
fn answers_are_those_of_transformers() {
    for name in NAMES {
        let (mut trained, expected) = (Copy::of(name).imported("run"), Expected::of(name));
        for beam in [1, 4] {
            let (texts, theirs) = expected.answers(beam);
            let ours = answers(&mut trained, &texts, beam);
            let mut compared = 0;
            for ((ids, text, finished), (at, theirs)) in ours.iter().zip(theirs.iter().enumerate()) {
                // At the limit transformers makes the model say </s>, and this program stops.
                if !finished || theirs.len() + 1 >= trained.decoding.max_length.unwrap() {
                    continue;
                }
                compared += 1;
                assert_eq!(ids, theirs, "{name}, beam {beam}: {:?}", texts[at]);
                if beam == 4 {
                    assert_eq!(*text, expected.answer_texts()[at].trim(), "{name}");
                }
            }
            assert!(compared >= 5, "{name}, beam {beam}: only {compared} of {} ended", texts.len());
        }
    }
}

/// What is imported says how the network is made and how to decode, and the command says what it left out.
#[test]
fn settings_come_along() {
    let copy = Copy::of("relu-separate");
    copy.edit("generation_config.json", |file| {
        file["early_stopping"] = true.into();
        file["length_penalty"] = 0.5.into();
        file["min_length"] = 3.into();
        file["min_new_tokens"] = 2.into();
        file["forced_eos_token_id"] = 5.into();
        // These do nothing.
        file["num_beam_groups"] = 1.into();
        file["diversity_penalty"] = 0.0.into();
        file["encoder_no_repeat_ngram_size"] = 0.into();
    });
    let run = copy.path("run");
    let (input, output) = (copy.marian(), run.to_str().unwrap().to_owned());
    let ran = infer(&["import", input.to_str().unwrap(), "--output", &output]);
    let told = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.success(), "{told}");
    let left_out =
        told.lines().filter_map(|line| line.strip_prefix("not taken over, as this program does not decode so: "));
    let expected = ["early_stopping = true", "forced_eos_token_id = 5", "min_new_tokens = 2"];
    assert_eq!(left_out.collect::<Vec<_>>(), expected, "{told}");
    assert!(told.contains("note: a beam of 4 with min_length: "), "{told}");

    let trained = TrainedModel::open(&run, &crate::folder::device()).unwrap();
    assert_eq!((trained.config.encoder_layers, trained.config.decoder_layers), (1, 2));
    assert_eq!((trained.config.tie, trained.config.output_bias), (Tie::Two, true));
    assert_eq!((trained.decoding.beam, trained.decoding.max_length), (4, Some(59)));
    assert_eq!(trained.decoding.length_penalty.alpha, 0.5);
}

/// Folders from before there was a `generation_config.json` keep its settings in `config.json`.
#[test]
fn older_folders_are_read() {
    let copy = Copy::of("swish");
    copy.remove("generation_config.json");
    copy.edit("config.json", |file| {
        file["num_beams"] = 6.into();
        file["max_length"] = 512.into();
    });
    let trained = copy.imported("run");
    assert_eq!((trained.decoding.beam, trained.decoding.max_length), (6, Some(trained.config.max_length)));
}

/// Half precision is read, and rounds no further than it does.
#[test]
fn half_precision_is_read() {
    use safetensors::{Dtype, SafeTensors, tensor::TensorView};
    let copy = Copy::of("swish");
    let bytes = fs::read(copy.marian().join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let upper = |data: &[u8]| data.chunks_exact(4).flat_map(|number| [number[2], number[3]]).collect::<Vec<u8>>();
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> =
        file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec(), upper(view.data()))).collect();
    let views = halves
        .iter()
        .map(|(name, shape, data)| (name.as_str(), TensorView::new(Dtype::BF16, shape.clone(), data).unwrap()));
    copy.write("model.safetensors", safetensors::serialize(views, None).unwrap());
    let furthest = furthest(&copy.imported("run"), &Expected::of("swish"));
    assert!((LOGITS_TOLERANCE..0.5).contains(&furthest), "{furthest}");
}
