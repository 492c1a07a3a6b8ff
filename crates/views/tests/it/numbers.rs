//! All numbers of an attention: plain loops over the weights file compute the same, and JSON preserves them.

use decode::engine::read_network;
use decode::search::beam::beam_search;
use decode::search::hypothesis::DecodeInput;
use decode::search::options::SearchOptions;
use model::{Batch, Pass, weights};
use serde_json::Value;
use views::{Attention, Vectors, attend};

use crate::plain::{Heads, Plain, Rows, dot, softmax};
use crate::{ROUNDING, close, faithful, ids, opened, with_moderate_weights};
use testing::run::{Run, texts};

#[test]
fn json_preserves_every_bit() {
    let run = Run::new();
    let trained = opened(&run);
    let attention = attend(&trained, &trained.settings(), "3 1 4 1 5", None).unwrap();
    let json: Value = serde_json::from_str(&attention.to_json()).unwrap();
    let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    for key in ["format", "source", "target", "n_heads", "d_model", "maps", "vectors", "steps"] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    let numbers = |value: &Value| -> Vec<u32> { flat(value).iter().map(|&x| (x as f32).to_bits()).collect() };
    let bits = |layers: &[Vec<Vec<Vec<f32>>>]| -> Vec<u32> {
        layers.iter().flatten().flatten().flatten().map(|value| value.to_bits()).collect()
    };
    assert_eq!(numbers(&json["maps"]["encoder"]), bits(&attention.maps.encoder));
    assert_eq!(numbers(&json["maps"]["decoder"]), bits(&attention.maps.decoder));
    assert_eq!(numbers(&json["maps"]["cross"]), bits(&attention.maps.cross));
    for (kind, vectors) in [
        ("encoder", &attention.vectors.encoder),
        ("decoder", &attention.vectors.decoder),
        ("cross", &attention.vectors.cross),
    ] {
        let json = &json["vectors"][kind][0];
        assert_eq!(numbers(&json["queries"]), bits(&[vectors[0].queries.clone()]), "{kind}");
        assert_eq!(numbers(&json["keys"]), bits(&[vectors[0].keys.clone()]), "{kind}");
        assert_eq!(numbers(&json["values"]), bits(&[vectors[0].values.clone()]), "{kind}");
    }
    let step = &json["steps"][0]["candidates"][4]["probability"];
    assert_eq!(numbers(step), [attention.steps[0].candidates[4].probability.to_bits()]);
}

/// All numbers of nested arrays, in order.
#[allow(clippy::wildcard_enum_match_arm, reason = "a value of a file, no option")]
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

/// The numbers of the JSON as a reader parses them.
fn map(json: &Value, kind: &str, layer: usize, head: usize) -> Rows {
    json["maps"][kind][layer][head].as_array().expect("a map").iter().map(flat).collect()
}

#[test]
fn every_weight_follows_from_weights_file_and_ids() {
    let tokenizer = testing::run::tokenizer();
    let run = with_moderate_weights(&tokenizer);
    let trained = opened(&run);
    let attention = attend(&trained, &trained.settings(), "3 1 4 1 5 9", Some("2 6 5 3")).unwrap();
    let json: Value = serde_json::from_str(&attention.to_json()).unwrap();

    let (tensors, _) = weights::from_safetensors(&run.read("model.safetensors")).unwrap();
    let plain = Plain::new(trained.config.clone(), tensors);
    let (source, target) = (ids(&tokenizer, "3 1 4 1 5 9"), ids(&tokenizer, "2 6 5 3"));
    let read = [&[tokenizer.pad_id()], &target[..target.len() - 1]].concat();
    let (memory, encoder) = plain.encode(&source);
    let decoded = plain.decode(&read, &memory);

    let mut sharpest = 0f64;
    for (kind, layers) in [("encoder", &encoder), ("decoder", &decoded.decoder), ("cross", &decoded.cross)] {
        assert_eq!(json["maps"][kind].as_array().unwrap().len(), layers.len());
        for (layer, heads) in layers.iter().enumerate() {
            same(&format!("{kind} {layer}"), heads, |head| map(&json, kind, layer, head));
            let last = heads.iter().flat_map(|rows| rows.last()).flatten();
            sharpest = last.copied().fold(sharpest, f64::max);
        }
    }
    assert!(sharpest > 0.5, "uniform maps would prove little: {sharpest}");

    for (at, (step, expected)) in attention.steps.iter().zip(plain.probabilities(&decoded.hidden)).enumerate() {
        close("probability", step.probability, expected[target[at] as usize]);
        let mut best: Vec<usize> = (0..expected.len()).collect();
        best.sort_by(|&a, &b| expected[b].total_cmp(&expected[a]));
        assert_eq!(step.candidates.len(), 5);
        for (candidate, id) in step.candidates.iter().zip(best) {
            assert_eq!(Some(candidate.token.as_str()), tokenizer.token(id as u32), "step {at}");
            close("candidate", candidate.probability, expected[id]);
        }
    }
}

/// Compares all heads of a layer.
fn same(what: &str, expected: &Heads, found: impl Fn(usize) -> Rows) {
    for (head, expected) in expected.iter().enumerate() {
        let found = found(head);
        assert_eq!(found.len(), expected.len(), "{what}");
        for (query, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found.len(), expected.len(), "{what}");
            for (key, (found, expected)) in found.iter().zip(expected).enumerate() {
                let place = format!("{what}, head {head}, query {query}, key {key}");
                assert!((found - expected).abs() <= ROUNDING, "{place}: {found} is not {expected}");
            }
        }
    }
}

#[test]
fn every_map_follows_from_the_vectors() {
    let run = with_moderate_weights(&testing::run::tokenizer());
    let trained = opened(&run);
    let attention = attend(&trained, &trained.settings(), "3 1 4 1 5 9", Some("2 6 5 3")).unwrap();
    let (maps, vectors) = (&attention.maps, &attention.vectors);
    for (kind, maps, vectors) in [
        ("encoder", &maps.encoder, &vectors.encoder),
        ("decoder", &maps.decoder, &vectors.decoder),
        ("cross", &maps.cross, &vectors.cross),
    ] {
        assert_eq!(maps.len(), 2);
        assert_eq!(vectors.len(), 2);
        for (layer, (heads, Vectors { queries, keys, values })) in maps.iter().zip(vectors).enumerate() {
            for (head, map) in heads.iter().enumerate() {
                assert_eq!(values[head].len(), keys[head].len());
                let wide = |rows: &[Vec<f32>]| -> Rows {
                    rows.iter().map(|row| row.iter().map(|&x| x.into()).collect()).collect()
                };
                let (queries, keys) = (wide(&queries[head]), wide(&keys[head]));
                for (query, row) in map.iter().enumerate() {
                    let visible = if kind == "decoder" { query + 1 } else { keys.len() };
                    let score = |key: &Vec<f64>| dot(&queries[query], key) / (key.len() as f64).sqrt();
                    let expected = softmax(keys[..visible].iter().map(score).collect());
                    for (key, expected) in expected.iter().enumerate() {
                        close(&format!("{kind} {layer} {head} {query} {key}"), row[key], *expected);
                    }
                }
            }
        }
    }
}

#[test]
fn probabilities_agree_with_scores_and_searches() {
    let run = Run::new();
    let trained = opened(&run);
    let network =
        read_network(&run.file("model.safetensors"), &trained.config, trained.sizes, &trained.device).unwrap();
    let log_probability =
        |attention: &Attention| attention.steps.iter().map(|step| f64::from(step.probability).ln()).sum::<f64>();
    for (text, result) in faithful(&trained) {
        let attention = attend(&trained, &trained.settings(), &text, None).unwrap();
        for step in &attention.steps {
            assert_eq!(step.candidates[0].token, step.token, "greedy decoding takes the most probable");
            assert_eq!(step.candidates[0].probability, step.probability);
            assert!(step.candidates.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
            assert!(step.candidates.iter().all(|candidate| candidate.token != "<pad>"));
        }
        // The softmax of a score includes `<pad>`.
        let (source, target) = (ids(&trained.source_tokenizer, &text), ids(&trained.target_tokenizer, result.text()));
        let batch = Batch::new(&[(&source, &target)], trained.sizes, &trained.device);
        let logits = network.forward(&batch, &mut Pass::inference());
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let rows = logits.chunks(trained.sizes.target);
        let without_pad = |row: &[f32]| 1.0 - softmax(row.iter().map(|&x| x.into()).collect())[row.len() - 1];
        let pads: f64 = rows.map(|row| without_pad(row).ln()).sum();
        let nll = network.score(&batch, &mut Pass::inference()).nll.into_data().iter::<f32>().next().unwrap();
        let found = log_probability(&attention) + pads;
        assert!((found + f64::from(nll)).abs() < 1e-3, "{found} and {nll}");
    }
    let mut settings = trained.settings();
    settings.decoding.beam = 4;
    for text in texts(6) {
        let source = ids(&trained.source_tokenizer, &text);
        let max_len = trained.decoding.max_len(source.len(), &trained.config);
        let sources = [DecodeInput { ids: &source, min_len: 0, max_len, index: 1 }];
        let options = SearchOptions { length_penalty: trained.decoding.length_penalty, ..SearchOptions::default() };
        let found = beam_search(&*trained.engine, &sources, 4, &options).unwrap();
        let expected = found[0][0].log_probability();
        let found = log_probability(&attend(&trained, &settings, &text, None).unwrap());
        assert!((found - expected).abs() < 1e-3, "{found} and {expected}");
    }
}
