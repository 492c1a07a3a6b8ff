//! The run folder while `train` writes it: created, resumed, or renamed to make room for a new run.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use text::Tokenizer;

use crate::atomic::{self, make_folder, replace_file, replace_folder, write_error, write_file};
use crate::config::{self, Difference, RunConfig};
use crate::corpora::Corpora;
use crate::error::RunError;
use crate::record::Record;
use crate::same_run::{check_same_config, check_same_corpora, stored_config, weights_step};
use crate::{failpoint, layout, lock, replaceable};

/// The action if the run folder exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// Fail, naming the two alternatives.
    Fail,
    /// Resume it from its last checkpoint.
    Resume,
    /// Rename it and start a new run.
    BackUp,
}

/// The state of a run's path, as far as the requested [`IfExists`] permits it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingRun {
    /// Nothing, or an empty folder.
    None,
    /// A run of the same configuration, to be resumed.
    Resumable,
    /// A run to be renamed.
    ToBackUp,
}

/// The parts of a new run folder.
#[derive(Clone, Copy, Debug)]
pub struct RunParts<'a> {
    /// The resolved configuration.
    pub config: &'a RunConfig,
    /// The tokenizer of the source side.
    pub source_tokenizer: &'a Tokenizer,
    /// The tokenizer of the target side.
    pub target_tokenizer: &'a Tokenizer,
    /// The hashes of the corpora.
    pub corpora: &'a Corpora,
}

/// A run folder open for writing. No other process can open it for writing meanwhile.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
    _lock: Option<File>,
}

impl RunFolder {
    /// Returns what exists at `path`, without writing anything.
    ///
    /// # Errors
    /// A folder that exists although it must not, that cannot be replaced, that another process trains in, or that was
    /// made with another configuration.
    pub fn inspect(path: &Path, if_exists: IfExists, config: &RunConfig) -> Result<ExistingRun, RunError> {
        if !path.exists() {
            return check_replaceable(path).map(|()| ExistingRun::None);
        }
        let config_file = path.join(layout::CONFIG);
        if !config_file.is_file() {
            let empty = path.is_dir() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            return match empty {
                true => check_replaceable(path).map(|()| ExistingRun::None),
                false => Err(RunError::NotARunFolder { path: path.to_path_buf() }),
            };
        }
        // Only test the lock here; it is taken later, before the first write.
        let check_unlocked = || lock::take(path).map(drop);
        match if_exists {
            IfExists::Fail => Err(RunError::Exists { path: path.to_path_buf() }),
            IfExists::Resume => {
                check_same_config(path, config)?;
                check_has_checkpoints(path)?;
                check_unlocked().map(|()| ExistingRun::Resumable)
            }
            IfExists::BackUp => {
                check_replaceable(path)?;
                reject_self_init(path, config)?;
                check_unlocked().map(|()| ExistingRun::ToBackUp)
            }
        }
    }

    /// Renames an old run to `NAME.old-N`, so that a new one can take its place. A link stays: the folder that it leads
    /// to is renamed, and an empty folder takes its place.
    ///
    /// # Errors
    /// A folder that cannot be renamed, or that another process trains in.
    pub fn back_up(path: &Path) -> Result<(), RunError> {
        drop(lock::take(path)?);
        let fail = write_error(path, "renaming the old run");
        let link = path.components().as_path().is_symlink(); // a slash behind the name would hide it
        let real = path.canonicalize().map_err(&fail)?;
        let name = real.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let backup = (1..)
            .map(|n| real.with_file_name(format!("{name}.old-{n}")))
            .find(|backup| !backup.exists())
            .unwrap_or_else(|| real.with_extension("old"));
        fs::rename(&real, &backup).map_err(&fail)?;
        match link {
            true => Ok(make_folder(&real)?),
            false => Ok(()),
        }
    }

    /// Creates a run folder with its configuration and tokenizers; it appears as a whole or not at all.
    ///
    /// # Errors
    /// A path that cannot be written to.
    pub fn create(path: &Path, parts: RunParts<'_>) -> Result<Self, RunError> {
        replace_folder(path, |folder| {
            write_file(&folder.join(layout::CONFIG), parts.config.to_toml().as_bytes())?;
            write_file(&folder.join(layout::SOURCE_TOKENIZER), parts.source_tokenizer.to_json().as_bytes())?;
            write_file(&folder.join(layout::TARGET_TOKENIZER), parts.target_tokenizer.to_json().as_bytes())?;
            let corpora = serde_json::to_vec_pretty(parts.corpora).unwrap_or_default();
            write_file(&folder.join(layout::CORPORA), &corpora)?;
            write_file(&folder.join(layout::METRICS), b"")?;
            make_folder(&folder.join(layout::CHECKPOINTS))
        })?;
        Self::open(path)
    }

    /// Opens an existing run folder to resume it, and removes the remains of a killed process.
    ///
    /// # Errors
    /// Corpora that differ from those at the start of the run, metrics that cannot be written to, or another process
    /// that trains there.
    pub fn resume(path: &Path, corpora: &Corpora, config: &RunConfig) -> Result<Self, RunError> {
        check_same_corpora(path, corpora, &stored_config(path)?, config)?;
        let folder = Self::open(path)?;
        for part in [path, &path.join(layout::CHECKPOINTS), &path.join(layout::SNAPSHOTS)] {
            atomic::remove_remains(part);
        }
        Ok(folder)
    }

    fn open(path: &Path) -> Result<Self, RunError> {
        let lock = lock::take(path)?;
        let file = path.join(layout::METRICS);
        let options = fs::OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&file);
        let mut metrics = options.map_err(write_error(&file, "opening the file"))?;
        metrics.seek(SeekFrom::End(0)).map_err(write_error(&file, "finding the end"))?;
        Ok(Self { path: path.to_path_buf(), metrics, _lock: lock })
    }

    /// The configuration in the folder.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn config(&self) -> Result<RunConfig, RunError> {
        stored_config(&self.path)
    }

    /// Replaces the configuration in the folder by one with which the run goes on, and returns the changes.
    ///
    /// # Errors
    /// A full disk, for example.
    pub fn adopt_config(&self, config: &RunConfig) -> Result<Vec<Difference>, RunError> {
        let (mut old, mut config) = (self.config()?, config.clone());
        config::align_normalization(&mut old, &mut config);
        let changes = config::differences("", &old, &config);
        if !changes.is_empty() {
            replace_file(&self.path.join(layout::CONFIG), config.to_toml().as_bytes())?;
        }
        Ok(changes)
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record to `metrics.jsonl`.
    ///
    /// # Errors
    /// A full disk, for example.
    pub fn log(&mut self, record: &Record) -> Result<(), RunError> {
        let fail = write_error(&self.path.join(layout::METRICS), "writing");
        let line = record.to_line().map_err(|error| fail(error.into()))?;
        self.metrics.write_all(&line).map_err(fail)?;
        failpoint::step();
        Ok(())
    }

    /// Waits until `metrics.jsonl` is on disk and returns its length in bytes.
    ///
    /// # Errors
    /// A full disk, for example.
    pub fn sync_metrics(&mut self) -> Result<u64, RunError> {
        let length = self.metrics.sync_all().and_then(|()| self.metrics.stream_position());
        failpoint::step();
        Ok(length.map_err(write_error(&self.path.join(layout::METRICS), "syncing"))?)
    }

    /// Truncates `metrics.jsonl` to its length at a checkpoint, in bytes.
    ///
    /// # Errors
    /// A file that cannot be written to, or that is shorter.
    pub fn truncate_metrics(&mut self, length: u64) -> Result<(), RunError> {
        let path = self.path.join(layout::METRICS);
        let found = self.metrics.metadata().map_err(write_error(&path, "reading the length"))?.len();
        if found < length {
            return Err(RunError::ShortMetrics { path, found, expected: length });
        }
        let cut = self.metrics.set_len(length).and_then(|()| self.metrics.seek(SeekFrom::Start(length)));
        Ok(cut.map(|_| ()).map_err(write_error(&path, "cutting to the checkpoint"))?)
    }

    /// Returns the step of the weights that `infer` reads, if there are any.
    pub fn weights_step(&self) -> Option<u64> {
        weights_step(&self.path)
    }

    /// Replaces the weights that `infer` reads by this safetensors file.
    ///
    /// # Errors
    /// A full disk, for example.
    pub fn write_weights(&self, safetensors: &[u8]) -> Result<(), RunError> {
        Ok(replace_file(&self.path.join(layout::WEIGHTS), safetensors)?)
    }
}

/// Rejects what no rename can replace, and the working folder.
fn check_replaceable(path: &Path) -> Result<(), RunError> {
    match replaceable::why_not_replaceable(path) {
        None => Ok(()),
        Some(reason) => Err(RunError::NotReplaceable { path: path.to_path_buf(), reason }),
    }
}

/// Rejects a run that has lost its checkpoints, which would start again from nothing: every run has the folder.
fn check_has_checkpoints(path: &Path) -> Result<(), RunError> {
    let checkpoints = path.join(layout::CHECKPOINTS);
    if checkpoints.is_dir() { Ok(()) } else { Err(RunError::NoCheckpoints { path: checkpoints }) }
}

/// Rejects a run that starts from the weights of the run that it replaces.
fn reject_self_init(path: &Path, config: &RunConfig) -> Result<(), RunError> {
    let real = |path: &Path| path.canonicalize().ok();
    match &config.training.init_from {
        Some(origin) if real(origin) == real(path) => Err(RunError::SelfInit { path: origin.clone() }),
        Some(_) | None => Ok(()),
    }
}
