//! The translation and the labels of an attention, and rejected texts.

use decode::DecodeError;
use text::{Tokenizer, TokenizerConfig};
use views::attend;

use crate::{close, faithful, opened, translated, with_moderate_weights};
use testing::run::{MAX_LENGTH, Run, texts};

#[test]
fn rows_sum_to_one_and_masked_weights_are_zero() {
    let run = Run::new();
    let trained = opened(&run);
    for text in texts(10) {
        let attention = attend(&trained, &trained.settings(), &text, None).unwrap();
        let (source, target) = (attention.source.tokens.len(), attention.target.inputs.len());
        let maps = &attention.maps;
        for (kind, layers, queries, keys) in [
            ("encoder", &maps.encoder, source, source),
            ("decoder", &maps.decoder, target, target),
            ("cross", &maps.cross, target, source),
        ] {
            assert_eq!(layers.len(), 1, "{kind}: a map per layer");
            for map in layers.iter().flat_map(|heads| {
                assert_eq!(heads.len(), 2, "{kind}: a map per head");
                heads
            }) {
                assert_eq!(map.len(), queries, "{kind}: a row per query");
                for (query, row) in map.iter().enumerate() {
                    assert_eq!(row.len(), keys, "{kind}: a weight per key");
                    close(kind, row.iter().sum(), 1.0);
                    let future = if kind == "decoder" { &row[query + 1..] } else { &[] };
                    assert!(future.iter().all(|&weight| weight == 0.0), "{kind}: {query} sees the future: {row:?}");
                }
            }
        }
    }
}

#[test]
fn the_translation_equals_that_of_the_translator() {
    let run = Run::new();
    let trained = opened(&run);
    for (beam, max_length) in [(1, None), (4, None), (1, Some(3)), (3, Some(2))] {
        let mut settings = trained.settings();
        (settings.decoding.beam, settings.decoding.max_length) = (beam, max_length);
        let mut cut_off = 0;
        for text in texts(12) {
            let attention = attend(&trained, &settings, &text, None).unwrap();
            let result = translated(&trained, settings.clone(), &text);
            assert_eq!((&attention.source.text, &attention.target.text), (&text, &result.best.text));
            assert!(!attention.target.given);
            let end = result.best.finished.then(|| "</s>".to_string());
            assert_eq!(attention.target.outputs, result.best.tokens.iter().cloned().chain(end).collect::<Vec<_>>());
            cut_off += usize::from(!result.best.finished);
        }
        assert!(max_length.is_none() || cut_off > 0, "the limit is met");
    }
}

#[test]
fn the_models_translation_as_target_gives_equal_maps() {
    let run = Run::new();
    let trained = opened(&run);
    for (text, result) in faithful(&trained) {
        let own = attend(&trained, &trained.settings(), &text, None).unwrap();
        let mut given = attend(&trained, &trained.settings(), &text, Some(&result.best.text)).unwrap();
        assert!(given.target.given);
        given.target.given = false;
        assert_eq!(given, own);
    }
    let other = attend(&trained, &trained.settings(), "1 2 3", Some("7 7")).unwrap();
    assert_eq!(other.target.outputs, ["7", "7", "</s>"]);
    assert_eq!(other.target.text, "7 7");
}

#[test]
fn labels_are_the_models_tokens() {
    let lines = ["the cat sat on the mat", "the dog sat on the log"];
    let subwords =
        Tokenizer::train(&TokenizerConfig { vocab_size: 280, ..TokenizerConfig::default() }, lines.iter()).unwrap();
    let run = with_moderate_weights(&subwords);
    let trained = opened(&run);
    let attention = attend(&trained, &trained.settings(), "the cat 猫", Some("the dog")).unwrap();
    let source = &attention.source.tokens;
    assert_eq!(source[0].chars().next(), Some('▁'), "{source:?}");
    assert_eq!(source[source.len() - 4..], ["<0xE7>", "<0x8C>", "<0xAB>", "</s>"]);
    let (inputs, outputs) = (&attention.target.inputs, &attention.target.outputs);
    assert_eq!(inputs[0], "<pad>");
    assert_eq!(inputs[1..], outputs[..outputs.len() - 1]);
    assert_eq!(outputs[..outputs.len() - 1].concat(), "▁the▁dog");
    assert_eq!(outputs.last().unwrap(), "</s>");
    assert!(attention.steps.iter().map(|step| &step.token).eq(outputs));
    assert_eq!((attention.n_heads, attention.d_model, attention.format), (2, 16, "attend.attention/1"));
}
#[test]
fn empty_and_too_long_texts_are_rejected() {
    let run = Run::new();
    let trained = opened(&run);
    let long = "1 ".repeat(MAX_LENGTH);
    let just_fits = "1 ".repeat(MAX_LENGTH - 1);
    assert!(attend(&trained, &trained.settings(), &just_fits, Some(&just_fits)).is_ok());
    for (text, target, expected) in [
        ("", None, "the text has no tokens"),
        (" \t", Some("1"), "the text has no tokens"),
        ("1", Some(""), "the target has no tokens"),
        (long.as_str(), None, "text 1: 25 tokens"),
        ("1", Some(long.as_str()), "the target: 25 tokens"),
    ] {
        let error: DecodeError = attend(&trained, &trained.settings(), text, target).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
