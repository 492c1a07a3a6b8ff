//! Models that read or write tokens in different orders decode together: all score what either search finds.

use std::collections::BTreeSet;

use burn::tensor::Device;
use decode::alignment::AlignmentHeads;
use decode::search::sampling::Sampling;
use decode::{TrainedModel, TranslationResult, Translator};
use model::{Transformer, VocabularySizes, weights};
use serde_json::Value;
use testing::run::{Run, config, texts, tokenizer};
use text::Pair;

fn device() -> Device {
    model::backend::choose(Some("flex")).and_then(|backend| backend.open()).unwrap()
}

/// A run folder with weights of a seed, large enough that the output depends on the source, whose tokenizers named by
/// `reversed` run from right to left.
fn run(seed: u64, reversed: &[&str]) -> Run {
    let run = Run::new();
    let sizes = VocabularySizes::joint(tokenizer().vocab_size());
    let mut tensors = weights::collect(&Transformer::new(&config(), sizes, seed, &device()).unwrap());
    tensors.iter_mut().flat_map(|tensor| &mut tensor.values).for_each(|value| *value *= 3.0);
    run.write("model.safetensors", weights::to_safetensors(&tensors, "").unwrap());
    for name in reversed {
        let name = format!("{name}.tokenizer.json");
        let mut file: Value = serde_json::from_slice(&run.read(&name)).unwrap();
        file["model"]["direction"] = "right_to_left".into();
        run.write(&name, format!("{file:#}"));
    }
    run
}

const BOTH: [&str; 2] = ["source", "target"];

fn open(runs: &[&Run]) -> TrainedModel {
    let folders: Vec<_> = runs.iter().map(|run| run.path()).collect();
    TrainedModel::open_ensemble(&folders, &device(), None).unwrap()
}

fn translator(model: &TrainedModel, beam: usize, n_best: usize) -> Translator<'_> {
    let mut settings = model.settings();
    settings.decoding.beam = beam;
    settings.n_best = n_best;
    Translator::new(model, settings).unwrap()
}

fn scores(model: &TrainedModel, pairs: &[Pair]) -> Vec<TranslationResult> {
    translator(model, 1, 1).score(pairs, 1).unwrap()
}

/// The scores of tokens in the order of the text; that of `</s>` stays last.
fn in_text_order(result: &TranslationResult, reversed: bool) -> Vec<f32> {
    let mut scores = result.best.token_scores.clone();
    let end = scores.len() - 1;
    if reversed {
        scores[..end].reverse();
    }
    scores
}

#[test]
fn the_score_of_a_token_is_the_mean_of_all_models() {
    for reversed in [&BOTH[..], &["source"], &["target"]] {
        let runs = [run(1, &[]), run(2, reversed), run(3, reversed)];
        let pairs: Vec<Pair> = texts(9)
            .iter()
            .zip(texts(17).iter().rev())
            .map(|(source, target)| Pair { source: source.clone(), target: target.clone() })
            .collect();
        // The models of one order share their search, so that the mean of theirs is normalised.
        let expected = [open(&[&runs[0]]), open(&[&runs[1], &runs[2]])].map(|model| scores(&model, &pairs));
        let model = open(&[&runs[0], &runs[1], &runs[2]]);
        let found = scores(&model, &pairs);
        let backward = reversed.contains(&"target");
        for (at, found) in found.iter().enumerate() {
            let one = in_text_order(&expected[0][at], false);
            let other = in_text_order(&expected[1][at], backward);
            assert_eq!(found.best.token_scores.len(), one.len());
            for (found, (one, other)) in found.best.token_scores.iter().zip(one.iter().zip(&other)) {
                assert!((found - (one + 2.0 * other) / 3.0).abs() < 1e-5, "{reversed:?}: {found} {one} {other}");
            }
            let sum: f64 = found.best.token_scores.iter().map(|&score| f64::from(score)).sum();
            let divisor = model.decoding.length_penalty.divisor(one.len());
            assert!((found.best.score - sum / divisor).abs() < 1e-6);
        }
    }
}

#[test]
fn the_best_of_both_searches_by_the_mean() {
    let runs = [run(1, &[]), run(2, &BOTH)];
    let (one, other, both) = (open(&[&runs[0]]), open(&[&runs[1]]), open(&[&runs[0], &runs[1]]));
    let texts = texts(15);
    let mut from_each = BTreeSet::new();
    for beam in [1, 4] {
        let found = translator(&both, beam, beam).translate(&texts).unwrap();
        let proposals = [&one, &other].map(|model| translator(model, beam, beam).translate(&texts).unwrap());
        for (at, found) in found.iter().enumerate() {
            let texts_of = |result: &TranslationResult| -> Vec<String> {
                result.translations().map(|translation| translation.text.clone()).collect()
            };
            let [mine, theirs] = [&proposals[0][at], &proposals[1][at]].map(texts_of);
            let candidates: BTreeSet<&String> = mine.iter().chain(&theirs).collect();
            let found_texts = texts_of(found);
            assert_eq!(found_texts.len(), beam);
            assert!(found_texts.iter().all(|text| candidates.contains(text)), "{found_texts:?} {candidates:?}");
            let scores: Vec<f64> = found.translations().map(|translation| translation.score).collect();
            assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
            from_each.insert((mine.contains(&found.best.text), theirs.contains(&found.best.text)));
            if found.best.finished {
                let pair = Pair { source: texts[at].clone(), target: found.best.text.clone() };
                let scored = self::scores(&both, &[pair]).remove(0).best.score;
                assert!((scored - found.best.score).abs() < 1e-5, "{scored} {}", found.best.score);
            }
        }
    }
    assert!(from_each.is_superset(&[(true, false), (false, true)].into()), "the best of either search: {from_each:?}");
}

#[test]
fn batches_and_workers_change_nothing() {
    let runs = [run(1, &[]), run(2, &BOTH)];
    let model = open(&[&runs[0], &runs[1]]);
    let texts = texts(15);
    let all = translator(&model, 3, 3).translate(&texts).unwrap();
    let small = translator(&model, 3, 3).with_batch_tokens(1).unwrap().with_workers(2).translate(&texts).unwrap();
    for (one, other) in all.iter().zip(&small) {
        assert_eq!(one.best.text, other.best.text);
        assert!((one.best.score - other.best.score).abs() < 1e-5);
    }
}

#[test]
fn the_order_of_models_changes_tokens_but_no_text() {
    let runs = [run(1, &[]), run(2, &BOTH)];
    let [forward, backward] = [open(&[&runs[0], &runs[1]]), open(&[&runs[1], &runs[0]])];
    let translate = |model| translator(model, 4, 1).translate(&texts(15)).unwrap();
    for (one, other) in translate(&forward).iter().zip(translate(&backward)) {
        assert_eq!(one.best.text, other.best.text);
        let mut tokens = other.best.tokens;
        tokens.reverse();
        assert_eq!(one.best.tokens, tokens, "tokens are in the order of the first model");
    }
}

#[test]
fn alignments_are_those_of_the_first_model() {
    let runs = [run(1, &[]), run(2, &BOTH)];
    let (one, both) = (open(&[&runs[0]]), open(&[&runs[0], &runs[1]]));
    let align = |model: &TrainedModel| {
        let mut settings = model.settings();
        settings.alignment = Some(AlignmentHeads::default());
        let pairs: Vec<Pair> = texts(9).into_iter().map(|text| Pair { source: text.clone(), target: text }).collect();
        let found = Translator::new(model, settings).unwrap().score(&pairs, 1).unwrap();
        found.into_iter().map(|result| result.best.alignment.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(align(&both), align(&one));
}

#[test]
fn what_needs_one_search_is_rejected() {
    let runs = [run(1, &[]), run(2, &BOTH), run(3, &["target"])];
    let both = open(&[&runs[0], &runs[1]]);
    assert_eq!(both.parameters(), 2 * both.engine.parameters());
    let rejected = |change: fn(&mut decode::Settings)| {
        let mut settings = both.settings();
        change(&mut settings);
        Translator::new(&both, settings).map(drop).unwrap_err().to_string()
    };
    let message = rejected(|settings| settings.sampling = Some(Sampling::default()));
    assert!(message.contains("different directions") && message.contains("models of one direction"), "{message}");
    let message = rejected(|settings| settings.prefix = "1".to_string());
    assert!(message.contains("end of a text first"), "{message}");

    let folders: Vec<_> = runs.iter().map(|run| run.path()).collect();
    let message = TrainedModel::open_ensemble(&folders, &device(), None).unwrap_err().to_string();
    let parts =
        ["config.toml", "source left_to_right, target right_to_left", "or source right_to_left, target right_to_left"];
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}
