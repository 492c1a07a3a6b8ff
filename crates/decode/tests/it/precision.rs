//! Decoding in int8 and bfloat16: close to float32, and independent of batches and threads.

use decode::engine::{CpuEngine, Engine};
use kernels::decode::bfloat16;
use model::random::{self, Rng};
use model::weights::{self, NamedTensor};
use model::{ModelConfig, Transformer, VocabularySizes, backend};
use runs::config::DecodingPrecision;
use testing::variants::variants;
use text::END_ID;

use crate::steps::logits;

const SIZES: VocabularySizes = VocabularySizes { source: 30, target: 30 };

fn small() -> ModelConfig {
    let sizes = ModelConfig { d_model: 24, n_heads: 3, d_ff: 40, max_length: 64, ..ModelConfig::default() };
    ModelConfig { encoder_layers: 2, decoder_layers: 2, dropout: 0.0, ..sizes }
}

/// The weights of a network, none of them zero or one.
fn tensors(config: &ModelConfig) -> Vec<NamedTensor> {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let network = Transformer::new(config, SIZES, 3, &device).expect("a valid configuration");
    let mut rng = Rng::new(random::key(&[4]));
    let mut tensors = weights::collect(&network);
    for tensor in &mut tensors {
        let norm = if tensor.name.contains("gamma") { 1.0 } else { 0.0 };
        tensor.values.iter_mut().for_each(|value| *value = norm + (rng.below(2001) as f32 - 1000.0) / 2500.0);
    }
    tensors
}

/// The mean difference of two lists of logits, relative to their spread.
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    let total = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>();
    let errors = total(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    (errors / total(&mut expected.iter().copied())).sqrt()
}

#[test]
fn every_option_is_close_to_float32() {
    let source: Vec<u32> = (1..12).chain([END_ID]).collect();
    for variant in variants(&small()) {
        let tensors = tensors(&variant.config);
        let engine = |precision| CpuEngine::from_tensors(&tensors, &variant.config, SIZES, precision);
        let expected = logits(&engine(DecodingPrecision::Float32), &[&source]).concat();
        let mut tolerances = vec![(DecodingPrecision::Int8, 0.1)];
        if bfloat16::available() {
            tolerances.push((DecodingPrecision::Bfloat16, 0.05));
        }
        for (precision, tolerance) in tolerances {
            let engine = engine(precision);
            assert_eq!(engine.precision(), precision);
            let found = difference(&logits(&engine, &[&source]).concat(), &expected);
            assert!(found > 0.0 && found < tolerance, "{precision} differs by {found} with {:?}", variant.config);
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_in_a_batch() {
    let tensors = tensors(&small());
    for precision in [DecodingPrecision::Int8, DecodingPrecision::Bfloat16] {
        if precision == DecodingPrecision::Bfloat16 && !bfloat16::available() {
            continue;
        }
        let engine = CpuEngine::from_tensors(&tensors, &small(), SIZES, precision);
        let sources: Vec<Vec<u32>> = (1..12).map(|len| (1..len).chain([END_ID]).collect()).collect();
        let all: Vec<&[u32]> = sources.iter().map(Vec::as_slice).collect();
        let together = logits(&engine, &all);
        for (source, among_others) in all.iter().zip(&together) {
            assert_eq!(&logits(&engine, &[source])[0], among_others, "bit for bit in {precision}");
        }
    }
}

/// A batch that is alone runs on all threads of the pool; its products are large enough to be shared.
#[test]
fn any_number_of_threads_gives_the_same_logits() {
    let config = ModelConfig { d_model: 384, n_heads: 3, d_ff: 1536, ..small() };
    let tensors = tensors(&config);
    let source: Vec<u32> = (1..12).chain([END_ID]).collect();
    for precision in [DecodingPrecision::Float32, DecodingPrecision::Int8] {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let engine = pool.install(|| CpuEngine::from_tensors(&tensors, &config, SIZES, precision));
            logits(&engine, &[&source, &source[5..]])
        };
        let alone = on(1);
        [2, 3].into_iter().for_each(|threads| assert_eq!(on(threads), alone, "{threads} threads in {precision}"));
    }
}
