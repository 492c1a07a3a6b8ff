//! The plain engine against the network: the same numbers, whatever the options.

use burn::tensor::Device;
use decode::engine::{Engine, State};
use model::config::{Activation, NormKind, NormOrder, PositionKind, Tie};
use model::random::{self, Rng};
use model::{ModelConfig, Transformer, VocabularySizes, backend, weights};
use text::END_ID;

const SIZES: VocabularySizes = VocabularySizes { source: 30, target: 23 };

fn device() -> Device {
    backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device")
}

/// Both engines of a network none of whose weights is zero or one.
fn engines(config: &ModelConfig, sizes: VocabularySizes) -> [Engine; 2] {
    let device = device();
    let network = Transformer::new(config, sizes, 3, &device).expect("a valid configuration");
    let mut stream = Rng::new(random::key(&[4]));
    let network = weights::replace(network, |name, shape| {
        let norm = if name.contains("gamma") { 1.0 } else { 0.0 };
        let value = |_| norm + (stream.below(2001) as f32 - 1000.0) / 2500.0;
        (0..shape.iter().product()).map(value).collect()
    });
    [Engine::of(&network, config, sizes, &device), Engine::tensors(network, sizes, &device)]
}

/// Drives both with the same tokens, drops, repeats and swaps rows, and compares all logits.
fn compare(config: ModelConfig, sizes: VocabularySizes) {
    let what = format!("{config:?}");
    let engines = engines(&config, sizes);
    assert!(matches!(&engines, [Engine::Plain(_), Engine::Tensors(_)]));
    assert_eq!(engines[0].parameters(), engines[1].parameters(), "{what}");
    let mut stream = Rng::new(random::key(&[5]));
    let mut sentence = |len: usize| -> Vec<u32> {
        (1..len).map(|_| 1 + stream.below(sizes.source - 2) as u32).chain([END_ID]).collect()
    };
    let sources: Vec<Vec<u32>> = [7, 1, 12, 3].map(&mut sentence).to_vec();
    let sources: Vec<&[u32]> = sources.iter().map(Vec::as_slice).collect();
    let mut states: [State; 2] = engines.each_ref().map(|engine| engine.start(&sources));
    let mut rows = sources.len();
    for step in 0..40 {
        let tokens: Vec<u32> = match step {
            0 => vec![engines[0].start_token(); rows],
            _ => (0..rows).map(|_| 1 + stream.below(sizes.target - 2) as u32).collect(),
        };
        let [plain, tensors]: [Vec<f32>; 2] = std::array::from_fn(|which| {
            let mut logits = Vec::new();
            engines[which].step(&tokens, &mut states[which], &mut logits).expect("a device that works");
            logits
        });
        assert_eq!((plain.len(), tensors.len()), (rows * sizes.target, rows * sizes.target));
        let mut apart = plain.iter().zip(&tensors).map(|(a, b)| (a - b).abs());
        assert!(apart.all(|apart| apart < 1e-4), "step {step} with {what}");
        let kept: Option<&[usize]> = match step {
            2 => Some(&[3, 0, 0, 2, 1, 3]),
            5 => Some(&[1, 2, 5]),
            20 => Some(&[2, 0]),
            _ => None,
        };
        if let Some(kept) = kept {
            states.iter_mut().for_each(|state| state.select(kept));
            rows = kept.len();
        }
    }
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

#[test]
fn the_plain_engine_says_what_the_network_says_whatever_the_options() {
    compare(small(), SIZES);
    compare(ModelConfig { tie: Tie::All, ..small() }, VocabularySizes::joint(30));
    compare(ModelConfig { tie: Tie::None, output_bias: true, ..small() }, SIZES);
    compare(ModelConfig { norm: NormOrder::Pre, ..small() }, SIZES);
    compare(ModelConfig { norm: NormOrder::Pre, norm_kind: NormKind::Rms, bias: false, ..small() }, SIZES);
    compare(ModelConfig { norm_kind: NormKind::Rms, positions: PositionKind::Learned, ..small() }, SIZES);
    compare(ModelConfig { positions: PositionKind::SinusoidalHalves, output_bias: true, ..small() }, SIZES);
    for activation in [Activation::Gelu, Activation::Silu, Activation::Swiglu] {
        compare(ModelConfig { activation, ..small() }, SIZES);
    }
}

#[test]
fn a_row_says_the_same_alone_and_in_company_bit_for_bit() {
    let [plain, _] = engines(&small(), SIZES);
    let sources: Vec<Vec<u32>> = (1..12).map(|len| (1..len).map(|id| id as u32).chain([END_ID]).collect()).collect();
    let all: Vec<&[u32]> = sources.iter().map(Vec::as_slice).collect();
    let run = |sources: &[&[u32]]| {
        let mut state = plain.start(sources);
        let mut logits = Vec::new();
        let mut said: Vec<Vec<f32>> = vec![Vec::new(); sources.len()];
        for token in 0..9 {
            plain.step(&vec![token; sources.len()], &mut state, &mut logits).expect("no device");
            said.iter_mut().zip(logits.chunks(SIZES.target)).for_each(|(said, row)| said.extend_from_slice(row));
        }
        said
    };
    let together = run(&all);
    for (source, among_others) in all.iter().zip(&together) {
        assert_eq!(&run(&[source])[0], among_others);
    }
}
