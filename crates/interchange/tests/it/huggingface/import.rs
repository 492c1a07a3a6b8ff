//! An imported folder has the ids, logits and outputs of transformers.

use decode::TrainedModel;
use testing::marian_fixture::huggingface_fixture;

use super::folder::{Expected, NAMES, copy, imported};
use crate::folder::{LOGITS_TOLERANCE, answers};

/// Checks ids, logits and outputs of a run.
pub fn assert_equal(name: &str, trained: &TrainedModel) {
    let expected = Expected::of(name, &trained.source_tokenizer);
    let texts = expected.texts();
    assert!(texts.len() > 200, "{name}: {} texts", texts.len());
    for (text, ids) in texts.iter().zip(expected.ids()) {
        assert_eq!(trained.source_tokenizer.encode(text).unwrap(), ids, "{name}: {text:?}");
    }
    assert_same_function(name, trained);
}

/// Checks logits and outputs of a run.
pub fn assert_same_function(name: &str, trained: &TrainedModel) {
    let expected = Expected::of(name, &trained.source_tokenizer);
    for (at, (source, target)) in expected.pairs().iter().enumerate() {
        let logits = trained.engine.record(source, target).unwrap().logits.concat();
        let theirs = expected.logits(at);
        assert_eq!(logits.len(), theirs.len());
        let difference = logits.iter().zip(&theirs).map(|(a, b)| (a - b).abs());
        let max = difference.fold(0f32, |a, b| if b.is_nan() { f32::INFINITY } else { a.max(b) });
        assert!(max < LOGITS_TOLERANCE, "{name}: {max}");
    }
    for beam in [1, 4] {
        let ours = answers(trained, &expected.sources(), beam);
        let mut compared = 0;
        for (at, ((ids, text, _), (theirs, ended))) in ours.iter().zip(expected.outputs(beam)).enumerate() {
            if !ended {
                continue;
            }
            compared += 1;
            assert_eq!(*ids, theirs, "{name}, beam {beam}, {at}");
            if beam == 4 {
                assert_eq!(*text, expected.output_texts()[at].trim(), "{name}");
            }
        }
        assert!(compared >= 5, "{name}, beam {beam}: only {compared} ended");
    }
}

#[test]
fn families_equal_transformers() {
    for name in NAMES {
        let copy = copy(name);
        assert_equal(name, &imported(&copy, "run"));
    }
}

/// `tokenizer.json` alone gives the ids of the SentencePiece model.
#[test]
fn tokenizer_json_gives_the_same_run() {
    assert!(huggingface_fixture("t5").join("tokenizer.json").is_file());
    let copy = copy("t5");
    let before = imported(&copy, "run");
    copy.remove("spiece.model");
    let after = imported(&copy, "run-2");
    assert_eq!(before.source_tokenizer.to_json(), after.source_tokenizer.to_json());
}
