//! A rank other than the root: it waits for announcements and does its share.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use cluster::{Cluster, Patience, share};
use decode::DecodeError;
use model::backend::Backend;
use model::device_index::LocalRank;
use model::weights;
use model::{Batch, Transformer, VocabularySizes};
use runs::RunConfig;
use text::Tokenizer;

use super::announcement::{Announcement, Reply, Start, hash_weights, receive, send};
use super::tensors::StateTensors;
use crate::data::padded_batch;
use crate::error::TrainError;
use crate::optim::{Division, MicroBatches, TrainState, Workers};
use crate::run::evaluate::{Decoder, translate};
use crate::run::{prepare, step_options};

/// A process that trains along with the root. It writes no file.
pub struct Follower<'a> {
    cluster: &'a Cluster,
    config: RunConfig,
    device: Device,
    decoder: Decoder,
    decoder_start: u32,
    state: TrainState,
}

impl<'a> Follower<'a> {
    /// Follows the root until it ends the job, on the device with this number or one of its own. `threads` is the number of micro-batches to compute at a time on a CPU.
    ///
    /// # Errors
    /// A device that cannot be opened, or that fails.
    pub fn follow(
        cluster: &'a Cluster,
        backend: Backend,
        device_index: Option<usize>,
        threads: usize,
    ) -> Result<(), TrainError> {
        let (rank, count) = cluster.local_rank();
        let device = backend.open_at(device_index, LocalRank { rank, count }).map_err(DecodeError::from)?;
        let cores = if backend.is_gpu() { 1 } else { threads };
        let mut follower: Option<Self> = None;
        loop {
            match (receive(cluster, 0, Patience::Work), &mut follower) {
                (Announcement::End, _) => {
                    cluster.meet();
                    return Ok(());
                }
                (Announcement::Start(start), _) => follower = Some(Self::start(cluster, start, device.clone(), cores)?),
                (announcement, Some(follower)) => follower.react(announcement)?,
                (_, None) => unreachable!("the root starts a rank before it announces work"),
            }
        }
    }

    fn start(cluster: &'a Cluster, start: Start, device: Device, cores: usize) -> Result<Self, TrainError> {
        let tensors = StateTensors::receive(cluster);
        let config: RunConfig = toml::from_str(&start.config).expect("the root sends a valid configuration");
        config.training.matmul_precision.set_process_wide();
        let origin = Path::new("the root's vocabulary");
        let tokenizer = |json: &str| Tokenizer::from_json(json, origin).map(Arc::new);
        let (source, target) = (tokenizer(&start.source_tokenizer)?, tokenizer(&start.target_tokenizer)?);
        let sizes = VocabularySizes { source: source.vocab_size(), target: target.vocab_size() };
        let blank = Transformer::blank(&config.model, sizes, &device.clone().autodiff()).map_err(TrainError::Config)?;
        let own = share(config.training.micro_batches, cluster.size(), cluster.rank());
        let workers = Workers::new(cores.min(own.len()))?;
        let failed = |source| TrainError::Weights { path: origin.to_path_buf(), source };
        let model = prepare::frozen(weights::load(blank, tensors.model).map_err(failed)?, &config.training)?;
        let division = Division::new(&model, tensors.lora.is_some(), cluster.size());
        let state = TrainState::restore(
            model,
            tensors.optimizer,
            tensors.ema,
            tensors.lora,
            &config.training,
            workers,
            device.clone(),
        )
        .with_division(division);
        let decoder = Decoder::new(&config, source, target, device.clone());
        Ok(Self { cluster, config, device, decoder, decoder_start: start.decoder_start, state })
    }

    fn react(&mut self, announcement: Announcement) -> Result<(), TrainError> {
        match announcement {
            Announcement::Update { step, tokens, micro_batches } => {
                let sizes = self.decoder.sizes();
                let batch = |examples: &Vec<_>| padded_batch(examples, self.decoder_start, sizes, &self.device);
                let batches: Vec<Batch> = micro_batches.iter().map(batch).collect();
                let count = self.config.training.micro_batches;
                let micro_batches = MicroBatches { batches: &batches, count, tokens };
                self.state.step_together(micro_batches, step_options(&self.config, step), self.cluster)?;
            }
            Announcement::Translate(texts) => {
                let network = self.state.eval_model();
                let model = self.decoder.with_weights(&network, &weights::collect(&network));
                let reply = match translate(&model, &texts) {
                    Ok(translations) => Reply::Translations(translations),
                    Err(TrainError::Decode(DecodeError::NotFinite)) => Reply::NotFinite,
                    Err(error) => Reply::Failed(error.to_string()),
                };
                send(self.cluster, 0, &reply);
            }
            Announcement::HashWeights => {
                send(self.cluster, 0, &Reply::WeightsHash(hash_weights(self.state.model())));
            }
            Announcement::SendMoments => {
                let tensors = self.state.optimizer().tensors();
                let shapes = tensors.iter().map(|tensor| (tensor.name.clone(), tensor.values.len())).collect();
                send(self.cluster, 0, &Reply::Moments(shapes));
                let outgoing: Vec<(usize, &[f32])> = tensors.iter().map(|tensor| (0, &tensor.values[..])).collect();
                self.cluster.exchange(&outgoing, &mut []);
            }
            Announcement::Start(_) | Announcement::End => unreachable!("handled before"),
        }
        Ok(())
    }
}
