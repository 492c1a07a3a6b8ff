//! Several processes, here threads, divide the optimizer's work: the same bytes as one process, and a share of the moments
//! each.

use std::thread;

use burn::tensor::Device;
use cluster::{Cluster, ThreadLink, share};
use model::config::VocabularySizes;
use model::loss::Objective;
use model::weights::{self, NamedTensor};
use model::{Batch, ModelConfig, Transformer, random::Rng};
use train::optim::{Adam, Division, Ema, MicroBatches, StepOptions, TrainState, Workers};

const SIZES: VocabularySizes = VocabularySizes { source: 300, target: 300 };
const MICRO_BATCHES: usize = 5;

/// A state whose larger matrices have several blocks of a norm.
fn state() -> TrainState {
    let config = ModelConfig {
        d_model: 96,
        n_heads: 4,
        d_ff: 400,
        encoder_layers: 1,
        decoder_layers: 1,
        max_length: 16,
        ..ModelConfig::default()
    };
    let device = Device::flex();
    let model = Transformer::new(&config, SIZES, 1, &device.clone().autodiff()).unwrap();
    let optimizer = Adam::default().with_weight_decay(0.1);
    TrainState::new(model, optimizer, Workers::new(1).unwrap(), device).with_ema(Some(Ema::new(0.9)))
}

fn batches() -> Vec<Batch> {
    let mut rng = Rng::new(7);
    let mut sentence = || -> Vec<u32> { (0..1 + rng.below(9)).map(|_| 2 + rng.below(297) as u32).chain([0]).collect() };
    let mut batch = |_| {
        let pairs: Vec<(Vec<u32>, Vec<u32>)> = (0..3).map(|_| (sentence(), sentence())).collect();
        let pairs: Vec<(&[u32], &[u32])> = pairs.iter().map(|(source, target)| (&source[..], &target[..])).collect();
        Batch::new(&pairs, SIZES, &Device::flex())
    };
    (0..MICRO_BATCHES).map(&mut batch).collect()
}

/// Three updates; returns the weights, the averages and the losses and norms.
fn trained(state: &mut TrainState, cluster: &Cluster) -> (Vec<NamedTensor>, Vec<NamedTensor>, Vec<f32>) {
    let all = batches();
    let tokens = all.iter().map(|batch| batch.target_tokens).sum();
    let batches = &all[share(MICRO_BATCHES, cluster.size(), cluster.rank())];
    let mut numbers = Vec::new();
    for step in 1..=3 {
        let objective = Objective::cross_entropy(0.1);
        let options = StepOptions { step, learning_rate: 0.01, seed: 5, dropout_share: 1.0, objective, clip_norm: 0.1 };
        let micro_batches = MicroBatches { batches, count: MICRO_BATCHES, tokens };
        let output = state.step_together(micro_batches, options, cluster).unwrap();
        numbers.extend([output.loss, output.nll, output.gradient_norm].map(|sum| sum.into_scalar::<f32>()));
    }
    assert!(numbers[2] > 0.1, "the norm {} is clipped", numbers[2]);
    (weights::collect(state.model()), state.ema().unwrap().tensors(), numbers)
}

fn values(tensors: &[NamedTensor]) -> usize {
    tensors.iter().map(|tensor| tensor.values.len()).sum()
}

#[test]
fn each_process_has_its_share_of_the_moments() {
    let mut one = state();
    let expected = trained(&mut one, &Cluster::alone());
    let moments = one.optimizer().tensors();
    for processes in 2..=5 {
        let slices: Vec<Vec<NamedTensor>> = thread::scope(|scope| {
            let ranks = ThreadLink::all(processes).into_iter().map(|link| {
                let expected = &expected;
                scope.spawn(move || {
                    let cluster = Cluster::of_thread(link);
                    let state = state();
                    let division = Division::new(state.model(), false, processes);
                    assert!(division.divides_moments());
                    let mut state = state.divided(division, cluster.rank());
                    assert!(trained(&mut state, &cluster) == *expected, "rank {} of {processes}", cluster.rank());
                    state.optimizer().tensors()
                })
            });
            ranks.collect::<Vec<_>>().into_iter().map(|rank| rank.join().unwrap()).collect()
        });
        let share = values(&moments) / processes;
        for (rank, slice) in slices.iter().enumerate() {
            let own = values(slice);
            assert!(own.abs_diff(share) <= 2 * 16_384, "rank {rank} of {processes}: {own} values of {share}");
        }
        for NamedTensor { name, values, .. } in &moments {
            let pieces = slices.iter().flatten().filter(|tensor| tensor.name == *name);
            assert!(pieces.flat_map(|piece| &piece.values).eq(values), "{name} by {processes} processes");
        }
    }
}
