//! Names of the files in a run folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The resolved configuration, defaults included.
pub const CONFIG: &str = "config.toml";
/// The vocabulary of the source side.
pub const SOURCE_TOKENIZER: &str = "source.tokenizer.json";
/// The vocabulary of the target side.
pub const TARGET_TOKENIZER: &str = "target.tokenizer.json";
/// The weights that `infer` reads; a checkpoint's weights have the same name in its folder.
pub const WEIGHTS: &str = "model.safetensors";
/// One [`Record`](crate::record::Record) per line.
pub const METRICS: &str = "metrics.jsonl";
/// Number of pairs and hash of each corpus.
pub const CORPORA: &str = "corpora.json";
/// The report for a browser.
pub const REPORT: &str = "report.html";
/// The folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// The folder of the weights kept for averaging.
pub const SNAPSHOTS: &str = "snapshots";

/// In a checkpoint: step, data position and all other state that is not a tensor.
pub const STATE: &str = "state.json";
/// In a checkpoint: the optimizer's moments.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// In a checkpoint: the moving average of the weights.
pub const EMA: &str = "ema.safetensors";
/// In a checkpoint: the factors of LoRA, and the matrices before their adaptation.
pub const LORA: &str = "lora.safetensors";
/// In the checkpoint of a finished run: the best weights before its end, if the end replaced them in [`WEIGHTS`].
pub const BEST: &str = "best.safetensors";

/// All files of a run folder itself.
pub const FILES: [&str; 7] = [CONFIG, SOURCE_TOKENIZER, TARGET_TOKENIZER, WEIGHTS, METRICS, CORPORA, REPORT];

/// The files without which a folder cannot be opened for decoding.
pub const REQUIRED: [&str; 4] = [CONFIG, SOURCE_TOKENIZER, TARGET_TOKENIZER, WEIGHTS];

/// The folder of the checkpoint after update number `step`.
///
/// ```
/// let path = runs::layout::checkpoint("runs/tiny".as_ref(), 800);
/// assert_eq!(path, std::path::Path::new("runs/tiny/checkpoints/step-800"));
/// assert_eq!(runs::layout::checkpoint_step(&path), Some(800));
/// ```
pub fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(CHECKPOINTS).join(format!("step-{step}"))
}

/// The step of a checkpoint's folder; `None` for any other path.
pub fn checkpoint_step(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

/// Returns the checkpoints of a run folder with their steps, oldest first.
///
/// # Errors
/// A folder that cannot be read; a missing one has no checkpoints.
pub fn checkpoints(run: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = run.join(CHECKPOINTS);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let step = |path: PathBuf| Some((checkpoint_step(&path)?, path));
    let mut found: Vec<_> = fs::read_dir(folder)?.flatten().filter_map(|entry| step(entry.path())).collect();
    found.sort();
    Ok(found)
}

/// The file of the weights kept for averaging after update number `step`.
pub fn snapshot(run: &Path, step: u64) -> PathBuf {
    run.join(SNAPSHOTS).join(format!("step-{step}.safetensors"))
}

/// The note in the metadata of a safetensors file that holds the weights after update number `step`.
pub fn step_note(step: u64) -> String {
    format!("{{\"step\":{step}}}")
}

/// The step in a [`step_note`].
pub fn noted_step(note: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(note).ok()?["step"].as_u64()
}
