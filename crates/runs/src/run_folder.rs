//! The run folder: what `train` writes and `infer` reads.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use model::weights;
use runs::RunError;
use runs::layout;
use runs::replaceable;
use serde::Serialize;

use crate::checkpoint::CHECKPOINTS;
use crate::error::TrainError;
use crate::task::{Corpora, Task};
use runs::config::{self, RunConfig};
use runs::durable::{make_folder, name, replace_file, replace_folder, write_error, write_file};
use runs::failpoint;
use runs::lock;

/// What to do about a folder that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it, naming the two ways out.
    Refuse,
    /// Go on from its last checkpoint.
    Resume,
    /// Rename it aside and start anew.
    SetAside,
}

/// What there is in the place of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// A run of the same configuration, to go on with.
    Resumable,
    /// A run to be set aside.
    InTheWay,
}

/// A run folder that can be written to.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
    /// Keeps other processes out.
    _lock: Option<File>,
}

impl RunFolder {
    /// What there is at `path`, and whether it may be done with as asked. Nothing is written.
    ///
    /// # Errors
    /// A folder that is in the way or cannot be replaced, that another process works on, or that was made with another
    /// configuration.
    pub fn examine(path: &Path, existing: Existing, config: &RunConfig) -> Result<Found, TrainError> {
        if !path.exists() {
            return replaceable(path).map(|()| Found::Nothing);
        }
        let config_file = path.join(layout::CONFIG);
        if !config_file.is_file() {
            let empty = path.is_dir() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
            return match empty {
                true => replaceable(path).map(|()| Found::Nothing),
                false => Err(TrainError::NotARun { path: path.to_path_buf() }),
            };
        }
        // No more than tried: much is read before anything is written.
        let free = || lock::take(path).map(drop);
        match existing {
            Existing::Refuse => Err(TrainError::Exists { path: path.to_path_buf() }),
            Existing::Resume => {
                same_config(&config_file, config)?;
                has_checkpoints(path)?;
                free().map(|()| Found::Resumable).map_err(TrainError::from)
            }
            Existing::SetAside => {
                replaceable(path)?;
                no_origin_of_its_own(path, config)?;
                free().map(|()| Found::InTheWay).map_err(TrainError::from)
            }
        }
    }

    /// Renames an old run, so that a new one can take its place.
    ///
    /// # Errors
    /// A folder that cannot be renamed, or that another process works on.
    pub fn set_aside(path: &Path) -> Result<(), TrainError> {
        drop(lock::take(path)?);
        // A link stays; the folder that it leads to is renamed, and an empty one is left for it to lead to.
        let link = path.components().as_path().is_symlink(); // asked without the slash that may follow the name
        let real = path.canonicalize().map_err(write_error(path, "setting the old run aside"))?;
        let aside = (1..)
            .map(|n| real.with_file_name(format!("{}.old-{n}", name(&real))))
            .find(|aside| !aside.exists())
            .unwrap_or_else(|| real.with_extension("old"));
        fs::rename(&real, &aside).map_err(write_error(path, "setting the old run aside"))?;
        match link {
            true => Ok(make_folder(&real)?),
            false => Ok(()),
        }
    }

    /// Makes a new folder with its configuration and vocabularies; it appears whole or not at all.
    ///
    /// # Errors
    /// A place that cannot be written to.
    pub fn create(path: &Path, config: &RunConfig, task: &Task) -> Result<Self, TrainError> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(write_error(parent, "creating the folder"))?;
        // A link stays; the empty folder that it leads to is replaced.
        let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        replace_folder(&real, |folder| {
            write_file(&folder.join(layout::CONFIG), config.to_toml().as_bytes())?;
            write_file(&folder.join(layout::SOURCE_TOKENIZER), task.source_tokenizer.to_json().as_bytes())?;
            write_file(&folder.join(layout::TARGET_TOKENIZER), task.target_tokenizer.to_json().as_bytes())?;
            let corpora = serde_json::to_vec_pretty(&task.corpora).unwrap_or_default();
            write_file(&folder.join(CORPORA), &corpora)?;
            write_file(&folder.join(METRICS), b"")?;
            make_folder(&folder.join(CHECKPOINTS))
        })?;
        Self::open(path)
    }

    /// Opens a folder made before, to go on with it.
    ///
    /// # Errors
    /// Corpora other than it was made with, metrics that cannot be opened for writing, or another process that works
    /// on it.
    pub fn resume(path: &Path, task: &Task) -> Result<Self, TrainError> {
        same_corpora(path, task)?;
        Self::open(path)
    }

    fn open(path: &Path) -> Result<Self, TrainError> {
        let lock = lock::take(path)?;
        let file = path.join(METRICS);
        let options = fs::OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&file);
        let mut metrics = options.map_err(write_error(&file, "opening the file"))?;
        metrics.seek(SeekFrom::End(0)).map_err(write_error(&file, "finding the end"))?;
        Ok(Self { path: path.to_path_buf(), metrics, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one object to `metrics.jsonl`.
    ///
    /// # Errors
    /// A full disk, for one.
    pub fn log(&mut self, line: &impl Serialize) -> Result<(), TrainError> {
        let fail = |source| RunError::Write { path: self.path.join(METRICS), action: "writing", source };
        let mut bytes = serde_json::to_vec(line).map_err(|error| fail(error.into()))?;
        bytes.push(b'\n');
        self.metrics.write_all(&bytes).map_err(fail)?;
        failpoint::step();
        Ok(())
    }

    /// Length of `metrics.jsonl`, safely on disk.
    ///
    /// # Errors
    /// A full disk, for one.
    pub fn metrics_length(&mut self) -> Result<u64, TrainError> {
        let length = self.metrics.sync_all().and_then(|()| self.metrics.stream_position());
        failpoint::step();
        Ok(length.map_err(write_error(&self.path.join(METRICS), "syncing"))?)
    }

    /// Cuts `metrics.jsonl` to what it held at a checkpoint.
    ///
    /// # Errors
    /// A file that cannot be written, or that is shorter than that.
    pub fn cut_metrics(&mut self, length: u64) -> Result<(), TrainError> {
        let path = self.path.join(METRICS);
        let found = self.metrics.metadata().map_err(write_error(&path, "reading the length"))?.len();
        if found < length {
            return Err(TrainError::Metrics { path, found, expected: length });
        }
        let cut = self.metrics.set_len(length).and_then(|()| self.metrics.seek(SeekFrom::Start(length)));
        Ok(cut.map(|_| ()).map_err(write_error(&path, "cutting to the checkpoint"))?)
    }

    /// The step of the weights that `infer` uses, if there are any.
    pub fn weights_step(&self) -> Option<u64> {
        let (_, note) = weights::from_safetensors(&fs::read(self.path.join(layout::WEIGHTS)).ok()?).ok()?;
        serde_json::from_str::<serde_json::Value>(&note?).ok()?["step"].as_u64()
    }

    /// Replaces the weights that `infer` uses.
    ///
    /// # Errors
    /// A full disk, for one.
    pub fn write_weights(&self, bytes: &[u8]) -> Result<(), TrainError> {
        Ok(replace_file(&self.path.join(layout::WEIGHTS), bytes)?)
    }
}

pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const CORPORA: &str = "corpora.json";

/// Refuses what no rename can replace, and the working folder.
fn replaceable(path: &Path) -> Result<(), TrainError> {
    match replaceable::reason_to_stay(path) {
        None => Ok(()),
        Some(reason) => Err(TrainError::NotReplaceable { path: path.to_path_buf(), reason }),
    }
}

/// Refuses to begin a run anew that had something to go on from: the folder is there from the beginning.
fn has_checkpoints(path: &Path) -> Result<(), TrainError> {
    let checkpoints = path.join(CHECKPOINTS);
    if checkpoints.is_dir() { Ok(()) } else { Err(TrainError::NoCheckpoints { path: checkpoints }) }
}

/// Refuses a run that would start from what had its own name.
fn no_origin_of_its_own(path: &Path, config: &RunConfig) -> Result<(), TrainError> {
    let real = |path: &Path| path.canonicalize().ok();
    match &config.training.init_from {
        Some(origin) if real(origin) == real(path) => Err(TrainError::OwnOrigin { path: origin.clone() }),
        _ => Ok(()),
    }
}

/// Refuses to resume with another configuration, naming the first difference.
fn same_config(path: &Path, config: &RunConfig) -> Result<(), TrainError> {
    let old = fs::read_to_string(path).map_err(|source| RunError::ConfigFile { path: path.to_path_buf(), source })?;
    let old: RunConfig =
        toml::from_str(&old).map_err(|source| RunError::Toml { path: path.to_path_buf(), source: Box::new(source) })?;
    if old == *config {
        return Ok(());
    }
    let difference = config::first_difference("", &old, config).unwrap_or_default();
    Err(TrainError::OtherConfig { path: path.parent().unwrap_or(path).to_path_buf(), difference })
}

/// Refuses to resume with corpora other than the run's: it would go on somewhere else.
fn same_corpora(path: &Path, task: &Task) -> Result<(), TrainError> {
    let file = path.join(CORPORA);
    let bytes = fs::read(&file).map_err(|source| TrainError::Read { path: file.clone(), source })?;
    let damaged = |error: serde_json::Error| TrainError::Damaged {
        path: file.clone(),
        found: error.to_string(),
        expected: "the number of pairs and a hash for each corpus",
    };
    let corpora: Corpora = serde_json::from_slice(&bytes).map_err(damaged)?;
    match corpora.difference(&task.corpora) {
        None => Ok(()),
        Some(split) => Err(TrainError::OtherCorpus { path: path.to_path_buf(), split }),
    }
}
