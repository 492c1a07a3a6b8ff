//! Greedy search of both engines finds the tokens of transformers for models of other families.

use decode::engine::{self, Engine, NetworkEngine, StepOutput};
use kernels::decode::logits::largest;
use model::{Transformer, backend, weights};
use testing::family_fixture::{FAMILIES, Family};

#[test]
fn greedy_search_of_every_family() {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    for name in FAMILIES {
        let family = Family::load(name);
        let (config, sizes) = (family.config(), family.sizes());
        let blank = Transformer::blank(&config, sizes, &device).expect("a valid configuration");
        let network = weights::load(blank, family.weights()).expect("weights that fit");
        let cpu = engine::from_network(&network, &config, sizes, &device);
        let engines: [Box<dyn Engine>; 2] = [cpu, Box::new(NetworkEngine::new(network, sizes, &device))];
        let (sources, expected) = (family.sources(), family.greedy());
        let sources: Vec<&[u32]> = sources.iter().map(Vec::as_slice).collect();
        for engine in engines {
            let mut state = engine.start(&sources, None);
            let mut output = StepOutput::default();
            for step in 1..expected[0].len() {
                let column = |at: usize| -> Vec<u32> { expected.iter().map(|row| row[at]).collect() };
                state.step(&column(step - 1), &mut output).expect("a device that works");
                let best = output.logits.chunks_exact(sizes.target).map(|logits| largest(logits, 1)[0]);
                assert_eq!(best.collect::<Vec<u32>>(), column(step), "{name}, step {step}");
            }
        }
    }
}
