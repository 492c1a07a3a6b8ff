use super::*;

fn model() -> ModelConfig {
    ModelConfig { max_length: 512, ..ModelConfig::default() }
}

fn ids() -> SpecialIds {
    SpecialIds::layout(100)
}

#[test]
fn settings_come_along() {
    let read = |value: Value| read(&value, &model(), 0, 99).unwrap();
    let published = read(json!({"num_beams": 6, "max_length": 512, "bad_words_ids": [[99]], "length_penalty": 0.6}));
    let length_penalty = "0.6".parse().unwrap();
    let expected = DecodingConfig { beam: 6, max_length: Some(511), length_penalty, ..DecodingConfig::default() };
    assert_eq!((published.decoding, published.skipped.len()), (expected, 0));

    let more = read(json!({"no_repeat_ngram_size": 3, "repetition_penalty": 1.2, "min_length": 5}));
    let (min_length, no_repeat_ngram, repetition_penalty) = (4, 3, 1.2);
    let expected = DecodingConfig { min_length, no_repeat_ngram, repetition_penalty, ..DecodingConfig::default() };
    assert_eq!(more.decoding, expected, "their shortest length counts the token that begins the decoder");
    let neutral = read(json!({"no_repeat_ngram_size": 0, "repetition_penalty": 1.0, "min_length": 0}));
    assert_eq!(neutral.decoding, DecodingConfig::default());

    let other = read(json!({"early_stopping": true, "bad_words_ids": [[7]], "do_sample": false}));
    assert_eq!(other.skipped, ["early_stopping = true", "bad_words_ids = [[7]]"]);
}

#[test]
fn settings_without_counterpart_are_reported() {
    let skipped = |value: Value| read(&value, &model(), 0, 99).unwrap().skipped;
    let neutral = json!({
        "num_beam_groups": 1, "diversity_penalty": 0.0, "encoder_no_repeat_ngram_size": 0, "forced_eos_token_id": 0,
        "encoder_repetition_penalty": 1.0, "min_new_tokens": 0, "sequence_bias": null, "early_stopping": false,
        "suppress_tokens": [], "bad_words_ids": [], "eos_token_id": 0, "decoder_start_token_id": 99,
    });
    assert!(skipped(neutral.clone()).is_empty(), "{:?}", skipped(neutral));
    let lists = json!({"forced_eos_token_id": [0], "eos_token_id": [0], "decoder_start_token_id": [99]});
    assert!(skipped(lists.clone()).is_empty(), "{:?}", skipped(lists));
    for (key, value) in [
        ("eos_token_id", json!([0, 5])),
        ("decoder_start_token_id", json!(3)),
        ("suppress_tokens", json!([3])),
        ("min_new_tokens", json!(3)),
        ("exponential_decay_length_penalty", json!([5, 1.5])),
        ("encoder_repetition_penalty", json!(1.5)),
        ("sequence_bias", json!([[[7], -1.0]])),
        ("forced_eos_token_id", json!(5)),
        ("num_beam_groups", json!(2)),
        ("early_stopping", json!("never")),
    ] {
        assert_eq!(skipped(json!({ key: value })), [format!("{key} = {value}")]);
    }
}

#[test]
fn a_beam_with_rules_is_told() {
    let ruled = DecodingConfig { beam: 4, min_length: 3, no_repeat_ngram: 2, ..DecodingConfig::default() };
    assert!(beam_differs(&ruled).unwrap().starts_with("a beam of 4 with min_length, no_repeat_ngram: "));
    assert_eq!(beam_differs(&DecodingConfig { beam: 1, ..ruled }), None);
    assert_eq!(beam_differs(&DecodingConfig { beam: 4, ..DecodingConfig::default() }), None);
}

#[test]
fn values_that_cannot_be_used_are_told() {
    let error = |value: Value| read(&value, &model(), 0, 99).unwrap_err().to_string();
    assert!(error(json!({"length_penalty": -1.0})).starts_with("length_penalty = -1: expected a number of at least 0"));
    assert!(error(json!({"num_beams": "four"})).starts_with("num_beams = \"four\": expected a number"));
    assert!(error(json!({"num_beams": 2.5})).starts_with("num_beams = 2.5: expected a whole number"));
    assert!(error(json!({"num_beams": 5000})).starts_with("num_beams = 5000: expected 1 to"));
    assert!(error(json!({"no_repeat_ngram_size": -1})).starts_with("no_repeat_ngram_size = -1: expected a whole"));
    assert!(error(json!({"repetition_penalty": 0.9})).starts_with("repetition_penalty = 0.9: expected a number of"));
    let shortest = error(json!({"min_length": 600}));
    assert!(shortest.starts_with("min_length = 600: expected at most the maximum target length"), "{shortest}");
}

#[test]
fn what_is_written_reads_as_the_same() {
    let decoding = DecodingConfig {
        beam: 4,
        min_length: 3,
        max_length: Some(40),
        no_repeat_ngram: 2,
        repetition_penalty: 1.5,
        ..DecodingConfig::default()
    };
    let written = write(&decoding, &model(), ids()).unwrap();
    assert_eq!((&written["max_length"], &written["min_length"]), (&41.into(), &4.into()));
    assert_eq!(read(&written, &model(), 0, 99).unwrap().decoding, decoding);

    let relative = DecodingConfig { max_length_ratio: Some(2.0), ..decoding.clone() };
    let error = write(&relative, &model(), ids()).unwrap_err().to_string();
    assert!(error.starts_with("decoding.max_length_ratio = 2: expected none"), "{error}");
    assert!(error.contains("leave out --max-length-ratio, or take the key out of"), "{error}");

    let wu = DecodingConfig { length_penalty: "wu:0.6".parse().unwrap(), ..decoding };
    let error = write(&wu, &model(), ids()).unwrap_err().to_string();
    assert!(error.contains("decoding.length_penalty.form = \"wu\": expected \"power\""), "{error}");
    assert_eq!(write(&DecodingConfig { beam: 1, ..wu }, &model(), ids()).unwrap()["length_penalty"], 1.0);
}
