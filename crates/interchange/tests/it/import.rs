//! An imported Marian folder has the ids, logits and translations of transformers.

use std::fs;

use decode::TrainedModel;

use crate::folder::{Copy, Expected, Import as _, LOGITS_TOLERANCE, NAMES, answers};

/// The largest difference of logits.
fn max_difference(trained: &TrainedModel, expected: &Expected) -> f32 {
    let mut max = 0f32;
    for (at, (source, target)) in expected.pairs().iter().enumerate() {
        let logits = trained.engine.record(source, target).unwrap().logits.concat();
        let theirs = expected.logits(at);
        assert_eq!(logits.len(), theirs.len());
        let difference = logits.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
        max = difference.fold(max, |a, b| if b.is_nan() { f32::INFINITY } else { a.max(b) });
    }
    max
}

#[test]
fn ids_equal_those_of_sentencepiece() {
    for name in NAMES {
        let (trained, expected) = (Copy::new(name).imported("run"), Expected::of(name));
        let texts = expected.texts();
        for (tokenizer, key) in [(&trained.source_tokenizer, "source_ids"), (&trained.target_tokenizer, "target_ids")] {
            for (text, ids) in texts.iter().zip(expected.ids(key)) {
                assert_eq!(tokenizer.encode(text).unwrap(), ids, "{name}, {key}: {text:?}");
            }
        }
    }
}

#[test]
fn logits_equal_those_of_transformers() {
    for name in NAMES {
        let difference = max_difference(&Copy::new(name).imported("run"), &Expected::of(name));
        assert!(difference < LOGITS_TOLERANCE, "{name}: {difference}");
    }
}

/// Both forms of PyTorch files hold the same weights as the safetensors file, to the bit.
#[test]
fn pytorch_files_give_the_same_run() {
    let copy = Copy::new("swish");
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
fn translations_equal_those_of_transformers() {
    for name in NAMES {
        let (trained, expected) = (Copy::new(name).imported("run"), Expected::of(name));
        for beam in [1, 4] {
            let (texts, theirs) = expected.answers(beam);
            let ours = answers(&trained, &texts, beam);
            let mut compared = 0;
            for ((ids, text, finished), (at, theirs)) in ours.iter().zip(theirs.iter().enumerate()) {
                // At the maximum length transformers forces </s>; this program stops without it.
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

/// Folders older than `generation_config.json` have its settings in `config.json`.
#[test]
fn older_folders_are_read() {
    let copy = Copy::new("swish");
    copy.remove("generation_config.json");
    copy.edit("config.json", |file| {
        file["num_beams"] = 6.into();
        file["max_length"] = 512.into();
    });
    let trained = copy.imported("run");
    assert_eq!((trained.decoding.beam, trained.decoding.max_length), (6, Some(trained.config.max_length)));
}

/// Half precision is read; logits differ by its rounding alone.
#[test]
fn half_precision_is_read() {
    use safetensors::{Dtype, SafeTensors, tensor::TensorView};
    let copy = Copy::new("swish");
    let bytes = fs::read(copy.marian().join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let upper = |data: &[u8]| data.chunks_exact(4).flat_map(|number| [number[2], number[3]]).collect::<Vec<u8>>();
    let halves: Vec<(String, Vec<usize>, Vec<u8>)> =
        file.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec(), upper(view.data()))).collect();
    let views = halves
        .iter()
        .map(|(name, shape, data)| (name.as_str(), TensorView::new(Dtype::BF16, shape.clone(), data).unwrap()));
    copy.write("model.safetensors", safetensors::serialize(views, None).unwrap());
    let difference = max_difference(&copy.imported("run"), &Expected::of("swish"));
    assert!((LOGITS_TOLERANCE..0.5).contains(&difference), "{difference}");
}
