//! Decoding on every GPU backend in this build, against the CPU and against the reading of all logits.

use burn::tensor::Device;
use decode::alignment::AlignmentHeads;
use decode::engine::NetworkEngine;
use decode::search::greedy::greedy;
use decode::search::hypothesis::DecodeInput;
use decode::search::logits_processor::{Constraints, MinLength};
use decode::search::options::SearchOptions;
use decode::search::sampling::Sampling;
use decode::shortlist::{AlignmentCounts, Shortlist};
use decode::{Settings, TooLong, TrainedModel, TranslationResult, Translator};
use model::backend::Backend;
use model::{Transformer, VocabularySizes, weights};
use testing::model_fixture::assert_close;
use testing::run::{MAX_LENGTH, Run, config, random_weights, texts};
use text::Pair;

use crate::gpu::gpus;

/// Sentences of 1 to 9 words, and a model of random weights whose translations end by themselves or at a limit.
#[test]
fn greedy_decoding_equals_that_which_reads_each_token() {
    let sources: Vec<Vec<u32>> =
        (0..30).map(|i| (0..1 + i % 9).map(|at| (2 + (i + 3 * at) % 10) as u32).chain([0]).collect()).collect();
    let sizes = VocabularySizes::joint(13);
    for device in gpus() {
        let (tensors, _) = weights::from_safetensors(&random_weights(&config(), sizes)).expect("weights");
        let blank = Transformer::blank(&config(), sizes, &device).expect("a model");
        let engine = NetworkEngine::new(weights::load(blank, tensors).expect("weights that fit"), sizes, &device);
        let mut ended = [0, 0];
        for limit in [MAX_LENGTH, 5] {
            let input = |(at, ids)| DecodeInput { ids, min_len: 0, max_len: 1 + at % limit, index: at + 1 };
            let inputs: Vec<DecodeInput> = sources.iter().map(Vec::as_slice).enumerate().map(input).collect();
            let decode = |constraints: Constraints| {
                let found = greedy(&engine, &inputs, &SearchOptions { constraints, ..SearchOptions::default() });
                found.expect("a device")
            };
            // A rule without effect: all logits are read.
            let rule = Constraints { processors: vec![Box::new(MinLength)], ..Constraints::default() };
            let (found, expected) = (decode(Constraints::default()), decode(rule));
            for (found, expected) in found.iter().zip(&expected) {
                assert_eq!((&found.ids, found.finished), (&expected.ids, expected.finished));
                assert_close("log-probabilities", &found.token_scores, &expected.token_scores, 1e-4);
                ended[usize::from(expected.finished)] += 1;
            }
        }
        assert!(
            !ended.contains(&0),
            "{ended:?} translations end at their limit and by themselves: the test needs both"
        );
    }
}

fn translated(trained: &TrainedModel, settings: Settings, texts: &[String]) -> Vec<Vec<String>> {
    let found = Translator::new(trained, settings).expect("settings").translate(texts).expect("a device");
    let of_text = |result: TranslationResult| {
        let all = std::iter::once(result.best).chain(result.alternatives);
        all.map(|translation| translation.text).collect()
    };
    found.into_iter().map(of_text).collect()
}

#[test]
fn searches_with_and_without_a_shortlist_equal_those_of_the_cpu() {
    let run = Run::new();
    let open = |device: &Device| TrainedModel::open(run.path(), device).expect("a run folder");
    let mut cpu = open(&Backend::Flex.open().expect("a device"));
    let sources = texts(20);
    let targets = translated(&cpu, cpu.settings(), &sources);
    let pairs = sources.iter().zip(targets);
    let pairs: Vec<Pair> =
        pairs.map(|(source, target)| Pair { source: source.clone(), target: target[0].clone() }).collect();
    let mut counts = AlignmentCounts::default();
    let heads = AlignmentHeads { layer: None, head: None };
    let aligning = Settings { alignment: Some(heads), too_long: TooLong::Skip, ..cpu.settings() };
    let aligner = Translator::new(&cpu, aligning).expect("settings");
    counts.add(&aligner, &pairs, 1, heads).expect("no device");
    let unlisted = translated(&cpu, cpu.settings(), &sources);
    run.write("lex.bin", counts.to_file(&cpu.saved, 0, 2));
    for gpu in gpus() {
        let mut gpu = open(&gpu);
        for listed in [false, true] {
            for trained in [&mut cpu, &mut gpu] {
                let list = || Shortlist::open(&run.file("lex.bin"), &trained.saved).expect("a shortlist");
                trained.shortlist = listed.then(list);
            }
            let mut beam = cpu.settings();
            beam.decoding.beam = 3;
            let top_k = Sampling { top_k: 3, top_p: 0.9, temperature: 0.8, seed: 2 };
            let sampled = |sampling| Settings { sampling: Some(sampling), n_best: 2, ..cpu.settings() };
            for settings in [cpu.settings(), beam, sampled(top_k), sampled(Sampling::default())] {
                let what = format!("a shortlist: {listed}, {settings:?}");
                let expected = translated(&cpu, settings.clone(), &sources);
                assert_eq!(translated(&gpu, settings, &sources), expected, "{what}");
            }
            let differs = translated(&cpu, cpu.settings(), &sources) != unlisted;
            assert_eq!(differs, listed, "the shortlist has an effect");
        }
    }
}
