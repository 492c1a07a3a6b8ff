//! File names inside a run folder.

/// The resolved configuration, defaults included.
pub const CONFIG: &str = "config.toml";
/// The vocabulary of the source side.
pub const SOURCE_TOKENIZER: &str = "source.tokenizer.json";
/// The vocabulary of the target side.
pub const TARGET_TOKENIZER: &str = "target.tokenizer.json";
/// The weights that `infer` reads.
pub const WEIGHTS: &str = "model.safetensors";
/// One JSON object per logged step, validation and epoch.
pub const METRICS: &str = "metrics.jsonl";
/// Number of pairs and hash of each corpus.
pub const CORPORA: &str = "corpora.json";
/// Folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
