//! The CPU engine against the network engine, which is the reference: the same numbers under every option.

use burn::tensor::Device;
use decode::alignment::AlignmentHeads;
use decode::engine::{self, Engine, LayerRecording, NetworkEngine, Outputs, StepOutput};
use model::config::{NormKind, NormOrder, Tie};
use model::random::{self, Rng};
use model::{AttentionKind, ModelConfig, Transformer, VocabularySizes, backend, weights};
use testing::variants::variants;
use text::END_ID;

use crate::steps::logits;

const SIZES: VocabularySizes = VocabularySizes { source: 30, target: 23 };
/// Tolerance for float32 sums in another order.
const ROUNDING: f32 = 1e-4;

fn device() -> Device {
    backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device")
}

/// Both engines of a network without weights of zero or one: the CPU engine, then the reference.
fn engines(config: &ModelConfig, sizes: VocabularySizes) -> [Box<dyn Engine>; 2] {
    let device = device();
    let network = Transformer::new(config, sizes, 3, &device).expect("a valid configuration");
    let mut rng = Rng::new(random::key(&[4]));
    let network = weights::replace(network, |name, shape| {
        let norm = if name.contains("gamma") { 1.0 } else { 0.0 };
        let value = |_| norm + (rng.below(2001) as f32 - 1000.0) / 2500.0;
        (0..shape.iter().product()).map(value).collect()
    });
    let cpu = engine::from_network(&network, config, sizes, &device);
    assert!(cpu.supports_workers(), "on flex the CPU engine decodes");
    [cpu, Box::new(NetworkEngine::new(network, sizes, &device))]
}

/// Random ids, the last of them `</s>`.
fn sentence(rng: &mut Rng, len: usize, vocabulary: usize) -> Vec<u32> {
    (1..len).map(|_| 1 + rng.below(vocabulary - 2) as u32).chain([END_ID]).collect()
}

/// Steps both engines with the same tokens, removes, repeats and swaps rows, and compares all logits and alignments.
fn compare(config: ModelConfig, sizes: VocabularySizes) {
    let what = format!("{config:?}");
    let engines = engines(&config, sizes);
    assert_eq!(engines[0].parameters(), engines[1].parameters(), "{what}");
    assert_eq!(engines[0].start_token(), engines[1].start_token(), "{what}");
    let mut rng = Rng::new(random::key(&[5]));
    let sources: Vec<Vec<u32>> = [7, 1, 12, 3].map(|len| sentence(&mut rng, len, sizes.source)).to_vec();
    let sources: Vec<&[u32]> = sources.iter().map(Vec::as_slice).collect();
    let heads = Some(AlignmentHeads { layer: None, head: Some(1) });
    let mut states = engines.each_ref().map(|engine| engine.start(&sources, heads));
    let mut rows = sources.len();
    for step in 0..40 {
        let tokens: Vec<u32> = match step {
            0 => vec![engines[0].start_token(); rows],
            _ => (0..rows).map(|_| 1 + rng.below(sizes.target - 2) as u32).collect(),
        };
        let [cpu, reference] = states.each_mut().map(|state| {
            let mut output = StepOutput::default();
            state.step(&tokens, &mut output).expect("a device that works");
            output
        });
        assert_eq!((cpu.logits.len(), reference.logits.len()), (rows * sizes.target, rows * sizes.target));
        close(&format!("step {step} with {what}"), &cpu.logits, &reference.logits);
        assert_eq!((cpu.aligned.len(), &cpu.aligned), (rows, &reference.aligned), "step {step} with {what}");
        let kept: Option<&[usize]> = match step {
            2 => Some(&[3, 0, 0, 2, 1, 3]),
            3 => Some(&[5, 2, 2, 3, 4, 0]), // every row keeps its source
            4 => Some(&[0, 1, 2, 3, 4, 5]),
            5 => Some(&[1, 2, 5]),
            20 => Some(&[2, 0]),
            _ => None,
        };
        if let Some(kept) = kept {
            states.iter_mut().for_each(|state| state.select(kept));
            rows = kept.len();
        }
    }
    let (source, target) = (sentence(&mut rng, 9, sizes.source), sentence(&mut rng, 6, sizes.target));
    compare_recordings(&what, &engines, &source, &target);
}

fn compare_recordings(what: &str, engines: &[Box<dyn Engine>; 2], source: &[u32], target: &[u32]) {
    let [cpu, reference] = engines.each_ref().map(|engine| engine.record(source, target).expect("a recording"));
    close(&format!("logits with {what}"), &cpu.logits.concat(), &reference.logits.concat());
    for kind in AttentionKind::ALL {
        let (cpu, reference) = (cpu.layers.get(kind), reference.layers.get(kind));
        assert_eq!(cpu.len(), reference.len(), "{kind:?} layers with {what}");
        for (layer, (cpu, reference)) in cpu.iter().zip(reference).enumerate() {
            let parts = |recorded: &LayerRecording| {
                let LayerRecording { maps, queries, keys, values } = recorded.clone();
                [maps, queries, keys, values]
            };
            for (part, (cpu, reference)) in parts(cpu).iter().zip(&parts(reference)).enumerate() {
                let shape = |heads: &[Vec<Vec<f32>>]| (heads.len(), heads[0].len(), heads[0][0].len());
                assert_eq!(shape(cpu), shape(reference), "{kind:?} {layer}, part {part} with {what}");
                let what = format!("{kind:?} {layer}, part {part} with {what}");
                close(&what, &cpu.concat().concat(), &reference.concat().concat());
            }
        }
    }
}

fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < ROUNDING), "{what}");
}

fn small() -> ModelConfig {
    ModelConfig {
        d_model: 24,
        n_heads: 3,
        d_ff: 40,
        encoder_layers: 2,
        decoder_layers: 3,
        max_length: 64,
        tie: Tie::Decoder,
        ..ModelConfig::default()
    }
}

fn sizes(tie: Tie) -> VocabularySizes {
    match tie {
        Tie::All | Tie::Inputs => VocabularySizes::joint(30),
        Tie::Decoder | Tie::None => SIZES,
    }
}

/// Logits, alignments and recordings agree under every option.
#[test]
fn both_engines_compute_the_same() {
    for variant in variants(&small()) {
        compare(variant.config.clone(), sizes(variant.config.tie));
    }
    for &tie in Tie::ALL {
        compare(ModelConfig { tie, output_bias: true, ..small() }, sizes(tie));
    }
    for &norm in NormOrder::ALL {
        for &norm_kind in NormKind::ALL {
            compare(ModelConfig { norm, norm_kind, bias: norm_kind == NormKind::Layer, ..small() }, SIZES);
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_in_a_batch() {
    let [cpu, _] = engines(&small(), SIZES);
    let sources: Vec<Vec<u32>> = (1..12).map(|len| (1..len).map(|id| id as u32).chain([END_ID]).collect()).collect();
    let all: Vec<&[u32]> = sources.iter().map(Vec::as_slice).collect();
    let together = logits(&*cpu, &all);
    for (source, among_others) in all.iter().zip(&together) {
        assert_eq!(&logits(&*cpu, &[source])[0], among_others, "bit for bit");
    }
}

/// Some outputs have the logits that they have among all, except those that a row may not use.
#[test]
fn some_outputs_are_those_of_all() {
    for config in [small(), ModelConfig { tie: Tie::None, output_bias: true, ..small() }] {
        for engine in engines(&config, SIZES) {
            let tokens = vec![0, 1, 4, 9, 17, 22];
            let outputs = Outputs { tokens: tokens.clone(), excluded: vec![vec![2, 3], vec![]] };
            let sources: [&[u32]; 2] = [&[3, 4, END_ID], &[7, END_ID]];
            let (mut some, mut all) = (engine.start_for(&sources, None, &outputs), engine.start(&sources, None));
            let mut of_rows = vec![0, 1];
            for select in [None, Some(vec![1, 0, 0]), Some(vec![0, 2, 1]), Some(vec![1])] {
                if let Some(rows) = &select {
                    [&mut some, &mut all].into_iter().for_each(|state| state.select(rows));
                    of_rows = rows.iter().map(|&row| of_rows[row]).collect();
                }
                let read: Vec<u32> = (0..of_rows.len()).map(|row| 5 + row as u32).collect();
                let [some, all] = [&mut some, &mut all].map(|state| {
                    let mut output = StepOutput::default();
                    state.step(&read, &mut output).expect("a device that works");
                    output.logits
                });
                let rows = some.chunks_exact(tokens.len()).zip(all.chunks_exact(SIZES.target));
                assert_eq!(rows.len(), of_rows.len());
                for ((some, all), &source) in rows.zip(&of_rows) {
                    for (index, (&logit, &token)) in some.iter().zip(&tokens).enumerate() {
                        match outputs.excluded[source].contains(&index) {
                            true => assert_eq!(logit, f32::NEG_INFINITY, "{config:?}"),
                            false => assert!((logit - all[token as usize]).abs() < ROUNDING, "{config:?}"),
                        }
                    }
                }
            }
        }
    }
}
