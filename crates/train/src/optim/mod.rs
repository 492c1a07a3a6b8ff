//! Optimisation: one update of the weights, top to bottom in [`train_step`].

pub mod adam;
pub mod divided_step;
pub mod ema;
pub mod gradient_exchange;
pub mod gradients;
pub mod host_gradients;
pub mod lora;
pub mod schedule;
pub mod slices;
pub mod train_step;
pub mod update;
pub mod workers;

pub use adam::Adam;
pub use divided_step::Division;
pub use ema::Ema;
pub use lora::Lora;
pub use schedule::learning_rate;
pub use train_step::TrainState;
pub use update::{MicroBatches, StepOptions, StepOutput};
pub use workers::Workers;
