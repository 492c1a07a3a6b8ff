//! The `train` binary and library: runs, resuming, rejections.

#[cfg(unix)]
mod abort;
mod accumulation;
mod across_backends;
mod bad_configuration;
mod bad_data;
mod bad_options;
mod changed_settings;
mod changing_corpus;
mod cli_reference;
#[cfg(feature = "mpi-tests")]
mod cluster;
mod common;
mod damaged_run;
mod direction;
mod divided_optimizer;
mod early_stopping;
mod field_files;
mod fine_tuned_vocabularies;
mod fine_tuning;
#[cfg(unix)]
mod full_disk;
#[cfg(feature = "gpu-tests")]
mod gpu;
#[cfg(feature = "gpu-tests")]
mod gpu_decoding;
#[cfg(unix)]
mod kill;
mod metrics_file;
mod moved_corpora;
mod noisy_text;
mod old_run;
mod options;
mod precision;
mod published_models;
mod pytorch_losses;
#[cfg(unix)]
mod resume;
mod run_folder;
mod shipped_configs;
mod tokenizers_per_side;
mod translate;
mod twenty_steps;
mod with_and_without_kernels;
