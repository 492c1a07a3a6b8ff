//! What a model attends to: that the numbers are right, that they belong to the translation that users get, and that
//! what makes no sense is refused.

mod common;

use common::plain::{Heads, Plain, Rows, dot, softmax};
use common::{MAX_LENGTH, Run, config, texts};
use infer::attend::{Attention, Vectors, attend};
use infer::beam::{BeamSearch, beam_search};
use infer::decoded::Source;
use infer::{InferError, TrainedModel, Translation, Translator};
use model::random::{self, Stream};
use model::{Batch, ModelConfig, Pass, Transformer, VocabularySizes, backend, weights};
use serde_json::Value;
use text::{END_ID, Tokenizer, TokenizerConfig};

const ROUNDING: f64 = 1e-5;

fn opened(run: &Run) -> TrainedModel {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    TrainedModel::open(run.path(), &device).expect("a run folder")
}

/// Two layers with weights of the size that training leaves, none of them zero or one: where numbers are large, float32
/// is not precise enough to be compared.
fn with_moderate_weights(tokenizer: &Tokenizer) -> Run {
    let config = ModelConfig { encoder_layers: 2, decoder_layers: 2, ..config() };
    let run = Run::new();
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let sizes = VocabularySizes::joint(tokenizer.vocab_size());
    let mut tensors = weights::collect(&Transformer::new(&config, sizes, 5, &device).expect("a valid configuration"));
    let mut stream = Stream::new(random::key(&[11]));
    for tensor in &mut tensors {
        let sharper = if tensor.name.contains("query") || tensor.name.contains("key") { 2.0 } else { 1.0 };
        for value in &mut tensor.values {
            let change = if tensor.shape.len() == 1 { (stream.below(2001) as f32 - 1000.0) / 4000.0 } else { 0.0 };
            *value = *value * sharper + change;
        }
    }
    run.write("config.toml", format!("[model]\n{}", toml::to_string(&config).expect("TOML")));
    run.write("source.tokenizer.json", tokenizer.to_json());
    run.write("target.tokenizer.json", tokenizer.to_json());
    run.write("model.safetensors", weights::to_safetensors(&tensors, "{}").expect("weights"));
    run
}

fn translated(trained: &TrainedModel, text: &str) -> Translation {
    let translations =
        Translator::new(trained, 2048).and_then(|translator| translator.translate(&[text.to_string()], 1));
    translations.expect("a translation").remove(0)
}

/// Texts whose translations, said again, are the same tokens.
fn faithful(trained: &TrainedModel) -> Vec<(String, Translation)> {
    let both = texts(60).into_iter().map(|text| (text.clone(), translated(trained, &text)));
    let found: Vec<_> = both
        .filter(|(_, said)| {
            said.finished && !said.tokens.is_empty() && said.tokens.iter().all(|token| token != "<unk>")
        })
        .collect();
    assert!(found.len() >= 3, "only {} of 60", found.len());
    found
}

fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let mut ids = tokenizer.encode(text).expect("ids");
    ids.push(END_ID);
    ids
}

fn close(what: &str, found: f32, expected: f64) {
    assert!((f64::from(found) - expected).abs() <= ROUNDING, "{what}: {found} is not {expected}");
}

#[test]
fn rows_sum_to_one_and_the_future_is_exactly_zero() {
    let run = Run::new();
    let trained = opened(&run);
    for text in texts(10) {
        let attention = attend(&trained, &text, None).unwrap();
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
fn the_translation_is_the_one_that_users_get() {
    let run = Run::new();
    let mut trained = opened(&run);
    for (beam, max_length) in [(1, None), (4, None), (1, Some(3)), (3, Some(2))] {
        (trained.decoding.beam, trained.decoding.max_length) = (beam, max_length);
        let mut cut_off = 0;
        for text in texts(12) {
            let (attention, said) = (attend(&trained, &text, None).unwrap(), translated(&trained, &text));
            assert_eq!((&attention.source.text, &attention.target.text), (&text, &said.text));
            assert!(!attention.target.given);
            let end = said.finished.then(|| "</s>".to_string());
            assert_eq!(attention.target.outputs, said.tokens.iter().cloned().chain(end).collect::<Vec<_>>());
            cut_off += usize::from(!said.finished);
        }
        assert!(max_length.is_none() || cut_off > 0, "the limit is met");
    }
}

#[test]
fn its_own_translation_given_back_is_attended_to_alike() {
    let run = Run::new();
    let trained = opened(&run);
    for (text, said) in faithful(&trained) {
        let own = attend(&trained, &text, None).unwrap();
        let mut given = attend(&trained, &text, Some(&said.text)).unwrap();
        assert!(given.target.given);
        given.target.given = false;
        assert_eq!(given, own);
    }
    let other = attend(&trained, "1 2 3", Some("7 7")).unwrap();
    assert_eq!(other.target.outputs, ["7", "7", "</s>"]);
    assert_eq!(other.target.text, "7 7");
}

#[test]
fn labels_are_tokens_as_the_model_sees_them() {
    let lines = ["the cat sat on the mat", "the dog sat on the log"];
    let subwords =
        Tokenizer::train(&TokenizerConfig { vocab_size: 280, ..TokenizerConfig::default() }, lines.iter()).unwrap();
    let run = with_moderate_weights(&subwords);
    let attention = attend(&opened(&run), "the cat 猫", Some("the dog")).unwrap();
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
fn every_number_comes_back_from_json_bit_for_bit() {
    let run = Run::new();
    let attention = attend(&opened(&run), "3 1 4 1 5", None).unwrap();
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
fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().expect("a number")],
    }
}

/// Numbers of the JSON, as anything that reads it gets them.
fn map(json: &Value, kind: &str, layer: usize, head: usize) -> Rows {
    json["maps"][kind][layer][head].as_array().expect("a map").iter().map(flat).collect()
}

#[test]
fn every_weight_of_the_json_follows_from_the_weights_file_and_the_ids() {
    let tokenizer = common::tokenizer();
    let run = with_moderate_weights(&tokenizer);
    let trained = opened(&run);
    let attention = attend(&trained, "3 1 4 1 5 9", Some("2 6 5 3")).unwrap();
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
    let run = with_moderate_weights(&common::tokenizer());
    let attention = attend(&opened(&run), "3 1 4 1 5 9", Some("2 6 5 3")).unwrap();
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
    let mut trained = opened(&run);
    let log_probability =
        |attention: &Attention| attention.steps.iter().map(|step| f64::from(step.probability).ln()).sum::<f64>();
    for (text, said) in faithful(&trained) {
        let attention = attend(&trained, &text, None).unwrap();
        for step in &attention.steps {
            assert_eq!(step.candidates[0].token, step.token, "greedy decoding takes the most probable");
            assert_eq!(step.candidates[0].probability, step.probability);
            assert!(step.candidates.windows(2).all(|pair| pair[0].probability >= pair[1].probability));
            assert!(step.candidates.iter().all(|candidate| candidate.token != "<pad>"));
        }
        // A score's softmax has `<pad>` in it.
        let (source, target) = (ids(&trained.source_tokenizer, &text), ids(&trained.target_tokenizer, &said.text));
        let batch = Batch::new(&[(&source, &target)], trained.sizes, &trained.device);
        let logits = trained.model.forward(&batch, &mut Pass::inference());
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let rows = logits.chunks(trained.sizes.target);
        let without_pad = |row: &[f32]| 1.0 - softmax(row.iter().map(|&x| x.into()).collect())[row.len() - 1];
        let pads: f64 = rows.map(|row| without_pad(row).ln()).sum();
        let nll = trained.model.score(&batch, &mut Pass::inference()).nll.into_data().iter::<f32>().next().unwrap();
        let found = log_probability(&attention) + pads;
        assert!((found + f64::from(nll)).abs() < 1e-3, "{found} and {nll}");
    }
    trained.decoding.beam = 4;
    for text in texts(6) {
        let source = ids(&trained.source_tokenizer, &text);
        let sources = [Source { ids: &source, limit: trained.decoding.limit(source.len(), &trained.config) }];
        let search = BeamSearch { beam: 4, length_penalty: trained.decoding.length_penalty };
        let found = beam_search(&trained.model, trained.sizes, &sources, search, &trained.device).unwrap();
        let expected = found[0][0].log_probability;
        let found = log_probability(&attend(&trained, &text, None).unwrap());
        assert!((found - expected).abs() < 1e-3, "{found} and {expected}");
    }
}

#[test]
fn texts_that_are_empty_or_too_long_are_refused() {
    let run = Run::new();
    let trained = opened(&run);
    let long = "1 ".repeat(MAX_LENGTH);
    let just_fits = "1 ".repeat(MAX_LENGTH - 1);
    assert!(attend(&trained, &just_fits, Some(&just_fits)).is_ok());
    for (text, target, expected) in [
        ("", None, "the text has no tokens"),
        (" \t", Some("1"), "the text has no tokens"),
        ("1", Some(""), "the target has no tokens"),
        (long.as_str(), None, "text 1: 25 tokens"),
        ("1", Some(long.as_str()), "the target: 25 tokens"),
    ] {
        let error: InferError = attend(&trained, text, target).expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn files(run: &Run) -> Vec<String> {
    let entries = run.path().read_dir().unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_binary_writes_each_form_by_its_extension() {
    let run = Run::new();
    let before = files(&run);
    let attention = attend(&opened(&run), "3 1 4", Some("1 2")).unwrap();
    let given = ["3 1 4", "--target", "1 2", "--quiet"];
    let write = |arguments: &[&str], output: &str| {
        let ran = run.attend(&[&given[..], arguments, &["--output", output]].concat());
        assert_eq!(ran.lines(), [""; 0], "the file is the result");
        run.read(output)
    };
    run.write("a.json", "something older");
    let json = write(&[], "a.json");
    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap()["target"]["outputs"][1], "2");
    assert_eq!(String::from_utf8(json).unwrap(), attention.to_json());
    assert!(write(&[], "a.HTML").to_ascii_lowercase().starts_with(b"<!doctype html>"));
    let overview = write(&[], "a.svg");
    assert!(overview.starts_with(b"<svg"), "{}", String::from_utf8_lossy(&overview[..80]));
    let one = write(&["--attention", "decoder", "--layer", "1", "--head", "2"], "b.svg");
    assert_ne!(overview, one);
    assert_eq!(write(&["--format", "svg"], "picture"), overview, "any name will do where the form is said");
    let mut expected = vec!["a.HTML", "a.json", "a.svg", "b.svg", "picture"];
    if cfg!(feature = "pictures") {
        assert!(write(&["--attention", "encoder"], "a.png").starts_with(b"\x89PNG\r\n"));
        expected.push("a.png");
    }
    let mut after = files(&run);
    after.retain(|name| !before.contains(name));
    expected.sort_unstable();
    assert_eq!(after, expected, "nothing else is left");
}

#[test]
fn a_dash_is_standard_output() {
    let run = Run::new();
    let attention = attend(&opened(&run), "3 1 4", None).unwrap();
    let say =
        |format: &[&str]| run.attend(&[&["3 1 4", "--quiet", "--output", "-"], format].concat()).lines().join("\n");
    assert_eq!(say(&[]), attention.to_json());
    assert!(say(&["--format", "svg"]).starts_with("<svg"));
    assert!(say(&["--format", "html"]).to_lowercase().starts_with("<!doctype html>"));
}

#[test]
fn unless_told_to_be_quiet_it_says_what_the_translation_is() {
    let run = Run::new();
    let ran = run.attend(&["3 1 4", "--output", "a.json", "--beam", "2"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""));
    let said = &run.answers(&["3 1 4"], &["--beam", "2"])[0];
    ran.tells(&[&format!("a.json: 3 1 4 → {said}\n"), "parameters on flex"]);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let run = Run::new();
    run.write("kept.json", "kept");
    let before = files(&run);
    let usage = |arguments: &[&str], told: &[&str]| {
        let ran = run.attend(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{}", ran.stderr);
        ran.tells(told);
    };
    let forms = [".json", ".html", ".svg", ".png"];
    usage(&["1 2", "--output", "a.txt"], &[&["a.txt"], &forms[..]].concat());
    usage(&["1 2", "--output", "a"], &forms);
    usage(&["1 2"], &["--output"]);
    usage(&["--output", "a.json"], &["TEXT"]);
    usage(&["1 2", "--output", "-", "--format", "png"], &["--format png", "json, html or svg"]);
    usage(&["1 2", "--output", "a.json", "--layer", "1"], &["--layer", ".svg, .png"]);
    usage(&["1 2", "--output", "a.html", "--attention", "cross"], &["--attention", ".svg, .png"]);
    usage(&["1 2", "--output", "a.svg", "--head", "0"], &["--head", "counted from 1"]);
    usage(&["1 2", "--output", "a.svg", "--target", "1", "--beam", "2"], &["--target", "--beam"]);

    let refuses = |arguments: &[&str], told: &[&str]| run.attend(arguments).refused_telling(told);
    refuses(&["1 2", "--output", "a.svg", "--head", "3"], &["--head = 3: expected 1 to 2"]);
    refuses(&["1 2", "--output", "a.svg", "--layer", "2"], &["--layer = 2: expected 1 to 1"]);
    refuses(&["", "--output", "kept.json"], &["the text has no tokens"]);
    refuses(&["1", "--target", " ", "--output", "kept.json"], &["the target has no tokens"]);
    refuses(&[&"1 ".repeat(30), "--output", "kept.json"], &["31 tokens", "positions for 24"]);
    refuses(&["1", "--output", "nowhere/a.json"], &["writing nowhere/a.json"]);
    refuses(&["1", "--output", "kept.json", "--beam", "0"], &["decoding.beam = 0"]);
    assert_eq!(run.read("kept.json"), b"kept");
    assert_eq!(files(&run), before);
}
