//! Beam search against its definition, the best of all sentences.

use burn::tensor::Device;
use decode::engine::{self, Engine, NetworkEngine};
use decode::search::beam::beam_search;
use decode::search::hypothesis::{DecodeInput, Hypothesis};
use decode::search::options::SearchOptions;
use model::{Batch, Pass, Transformer, VocabularySizes, backend, weights};
use runs::config::LengthPenalty;
use testing::run::{Run, config, object, random_weights, texts};
use text::END_ID;

/// `</s>`, `<unk>`, three words, `<pad>`.
const VOCABULARY: usize = 6;
/// Maximum tokens of a sentence.
const LIMIT: usize = 4;
/// A beam that holds every prefix.
const EVERYTHING: usize = 500;

struct Small {
    model: Transformer,
    engines: [Box<dyn Engine>; 2],
    sizes: VocabularySizes,
    device: Device,
}

fn small() -> Small {
    let sizes = VocabularySizes::joint(VOCABULARY);
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).unwrap();
    let blank = Transformer::blank(&config(), sizes, &device).unwrap();
    let (tensors, _) = weights::from_safetensors(&random_weights(&config(), sizes)).unwrap();
    let model = weights::load(blank, tensors).unwrap();
    let network: Box<dyn Engine> = Box::new(NetworkEngine::new(model.clone(), sizes, &device));
    let engines = [engine::from_network(&model, &config(), sizes, &device), network];
    Small { model, engines, sizes, device }
}

const SOURCES: [&[u32]; 4] = [&[2, 3, 4, END_ID], &[4, END_ID], &[3, 3, 3, 2, 2, 4, END_ID], &[2, 4, 3, END_ID]];

impl Small {
    /// The result of both engines, which is the same.
    fn search(&self, sources: &[&[u32]], beam: usize, length_penalty: LengthPenalty) -> Vec<Vec<Hypothesis>> {
        let input = |ids| DecodeInput { ids, min_len: 0, max_len: LIMIT, index: 1 };
        let inputs: Vec<DecodeInput> = sources.iter().map(|ids| input(*ids)).collect();
        let options = SearchOptions { length_penalty, ..SearchOptions::default() };
        let [plain, tensors] =
            self.engines.each_ref().map(|engine| beam_search(&**engine, &inputs, beam, &options).unwrap());
        let ids = |found: &[Vec<Hypothesis>]| found.iter().flatten().map(|one| one.ids.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&plain), ids(&tensors));
        plain
    }

    /// The log-probability of each target, from the whole target at once and without a cache.
    fn log_probabilities(&self, source: &[u32], targets: &[Vec<u32>]) -> Vec<f64> {
        let pairs: Vec<(&[u32], &[u32])> = targets.iter().map(|target| (source, &target[..])).collect();
        let logits = self.model.forward(&Batch::new(&pairs, self.sizes, &self.device), &mut Pass::inference());
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let row = |sentence: usize, place: usize| {
            let first = (sentence * LIMIT + place) * VOCABULARY;
            &logits[first..first + VOCABULARY - 1] // `<pad>` is never an answer
        };
        let token = |sentence: usize, place: usize, id: u32| {
            let row = row(sentence, place);
            let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            f64::from(row[id as usize]) - sum.ln()
        };
        let sentence =
            |(at, target): (usize, &Vec<u32>)| target.iter().zip(0..).map(|(&id, place)| token(at, place, id)).sum();
        targets.iter().enumerate().map(sentence).collect()
    }
}

/// All sentences within the limit, with `</s>` or without.
fn all_targets() -> Vec<Vec<u32>> {
    let (mut all, mut prefixes) = (Vec::new(), vec![vec![]]);
    for _ in 0..LIMIT {
        let longer =
            |prefix: &Vec<u32>| (0..VOCABULARY as u32 - 1).map(|id| [&prefix[..], &[id]].concat()).collect::<Vec<_>>();
        let (ended, open): (Vec<_>, Vec<_>) =
            prefixes.iter().flat_map(longer).partition(|target| target.last() == Some(&END_ID));
        all.extend(ended);
        prefixes = open;
    }
    all.extend(prefixes);
    all
}

#[test]
fn an_exhaustive_beam_finds_the_best_sentence() {
    let small = small();
    let targets = all_targets();
    for penalty in ["0", "1.0", "0.6", "wu:0.6", "wu:2"] {
        let penalty: LengthPenalty = penalty.parse().unwrap();
        for source in SOURCES {
            let scored = small.log_probabilities(source, &targets);
            let mut best: Vec<(f64, &Vec<u32>)> =
                scored.iter().zip(&targets).map(|(p, target)| (p / penalty.divisor(target.len()), target)).collect();
            best.sort_by(|a, b| b.0.total_cmp(&a.0));
            let found = &small.search(&[source], EVERYTHING, penalty)[0];
            assert_eq!(found.len(), targets.len());
            for ((score, target), hypothesis) in best.iter().zip(found).take(10) {
                let ids = target.strip_suffix(&[END_ID]).unwrap_or(target);
                assert_eq!((&hypothesis.ids[..], hypothesis.finished), (ids, ids.len() < target.len()));
                assert!((hypothesis.score - score).abs() < 1e-4, "{} is not {score}", hypothesis.score);
            }
        }
    }
}

#[test]
fn a_narrow_beam_gives_true_scores_in_order() {
    let small = small();
    let penalty = LengthPenalty::default();
    for beam in [2, 3, 5] {
        for (source, found) in SOURCES.iter().zip(small.search(&SOURCES, beam, penalty)) {
            assert!(!found.is_empty());
            assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
            let target = |hypothesis: &Hypothesis| match hypothesis.finished {
                true => [&hypothesis.ids[..], &[END_ID]].concat(),
                false => hypothesis.ids.clone(),
            };
            // Sentences of one length at a time, as one batch pads to its longest.
            for hypothesis in &found {
                let mut all = all_targets();
                all.retain(|other| *other == target(hypothesis) || other.len() == LIMIT);
                let at = all.iter().position(|other| *other == target(hypothesis)).unwrap();
                let expected = small.log_probabilities(source, &all)[at];
                assert!((hypothesis.log_probability() - expected).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn a_sentence_is_the_same_alone_and_in_a_batch() {
    let small = small();
    let together = small.search(&SOURCES, 3, LengthPenalty::default());
    for (source, among_others) in SOURCES.iter().zip(together) {
        let alone = &small.search(&[source], 3, LengthPenalty::default())[0];
        assert_eq!(alone.len(), among_others.len());
        for (alone, other) in alone.iter().zip(among_others) {
            assert_eq!((&alone.ids, alone.finished), (&other.ids, other.finished));
            assert!((alone.score - other.score).abs() < 1e-4);
        }
    }
}

#[test]
fn a_beam_of_one_is_greedy() {
    let run = Run::new();
    let input = texts(60).join("\n");
    let greedy = run.translate_stdin(&input, &[]);
    assert_eq!(run.translate_stdin(&input, &["--beam", "1"]), greedy);
    let wide = run.translate_stdin(&input, &["--beam", "4"]);
    assert_ne!(wide, greedy);
    run.configure("[decoding]", "[decoding]\nbeam = 4");
    assert_eq!(run.translate_stdin(&input, &[]), wide, "as in the run's own configuration");
    assert_eq!(run.translate_stdin(&input, &["--beam", "1"]), greedy, "the command line overrides it");
}

#[test]
fn batches_and_threads_do_not_change_a_beam() {
    let run = Run::new();
    let input = texts(60).join("\n");
    let answers = run.translate_stdin(&input, &["--beam", "4"]);
    for options in [["--batch-tokens", "1"], ["--batch-tokens", "100"], ["--threads", "1"], ["--threads", "3"]] {
        assert_eq!(run.translate_stdin(&input, &[&options[..], &["--beam", "4"]].concat()), answers, "{options:?}");
    }
}

#[test]
fn a_larger_length_penalty_gives_longer_answers() {
    let run = Run::new();
    let input = texts(60).join("\n");
    let words = |alpha: &str| -> usize {
        let lines = run.translate_stdin(&input, &["--format", "jsonl", "--beam", "4", "--length-penalty", alpha]);
        lines.iter().map(|line| object(line)["tokens"].as_array().unwrap().len()).sum()
    };
    let (none, some, more, wu) = (words("0"), words("1"), words("power:3"), words("wu:3"));
    assert!(none < some && some < more && none < wu, "{none}, {some}, {more}, {wu} tokens");
}

#[test]
fn invalid_beams_are_rejected() {
    let run = Run::new();
    run.assert_rejects(&["--beam", "0", "1 2"], &["--beam", "decoding.beam = 0", "1 is greedy"]);
    run.assert_rejects(
        &["--length-penalty", "nan", "1 2"],
        &["--length-penalty", "decoding.length_penalty.alpha = NaN"],
    );
    for (penalty, message) in [("long", "is not a number"), ("gnmt:1", "unknown form `gnmt`, expected `power` or `wu`")]
    {
        let ran = run.infer(&["--length-penalty", penalty, "1 2"]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        ran.assert_stderr_contains(&[message]);
    }
}
