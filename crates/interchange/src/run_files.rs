//! The files of a run folder that an import writes.

use model::ModelConfig;
use runs::{DecodingConfig, layout};
use text::Tokenizer;
use toml::Table;

use crate::folder::NewFile;

/// Returns the files of a run folder with these tokenizers, of source and target, without its weights.
pub fn run_files(model: &ModelConfig, decoding: &DecodingConfig, [source, target]: [&Tokenizer; 2]) -> [NewFile; 3] {
    [
        (layout::CONFIG, config_file(model, decoding).into_bytes()),
        (layout::SOURCE_TOKENIZER, source.to_json().into_bytes()),
        (layout::TARGET_TOKENIZER, target.to_json().into_bytes()),
    ]
}

/// Returns the tables of a run's configuration that apply without training.
fn config_file(model: &ModelConfig, decoding: &DecodingConfig) -> String {
    let table = |name: &str, table: Table| Table::from_iter([(name.to_owned(), table.into())]).to_string();
    let (model, decoding) = (Table::try_from(model).unwrap_or_default(), Table::try_from(decoding).unwrap_or_default());
    format!("{}\n{}", table("model", model), table("decoding", decoding))
}
