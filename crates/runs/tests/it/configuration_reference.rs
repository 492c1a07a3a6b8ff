//! `docs/reference/configuration.md` is generated from the doc comments and defaults of the configuration.
//!
//! `ATTEND_BLESS=1 cargo test -p runs` writes it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use model::ModelConfig;
use runs::config::{
    DataConfig, DecodingConfig, GeneratedConfig, GeneratedTask, ResumeRule, TrainingConfig, ValidationConfig,
    resume_rules,
};
use serde::Serialize;
use text::TokenizerConfig;
use toml::{Table, Value};

use crate::rust_source::{Item, Source};

const FILES: [&str; 14] = [
    "crates/runs/src/config/data.rs",
    "crates/runs/src/config/decoding.rs",
    "crates/runs/src/config/precision.rs",
    "crates/runs/src/config/regularization.rs",
    "crates/runs/src/config/schedule.rs",
    "crates/runs/src/config/task.rs",
    "crates/runs/src/config/training.rs",
    "crates/runs/src/config/validation.rs",
    "crates/model/src/config.rs",
    "crates/model/src/options.rs",
    "crates/text/src/tokenizer/config.rs",
    "crates/text/src/tokenizer/direction.rs",
    "crates/text/src/tokenizer/normalization/rule.rs",
    "crates/text/src/metrics/bleu.rs",
];

/// Defaults that depend on other keys or on the text.
const DERIVED: [(&str, &str); 6] = [
    ("tokenizer.normalization", "`\"nfc\"`"),
    ("data.max_length", "`model.max_length`"),
    ("decoding.max_length", "source length + 50"),
    ("model.decoder_d_ff", "`d_ff`"),
    ("model.decoder_heads", "`n_heads`"),
    ("model.head_size", "`d_model / n_heads`"),
];

const INTRODUCTION: &str = "# Configuration reference

All keys of a configuration file, generated from their doc comments (`ATTEND_BLESS=1 cargo test -p runs` updates this
page). [Configuration](../guide/configuration.md) explains how to use and override them.
";

#[test]
fn the_configuration_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
    let reference = reference();
    if std::env::var_os("ATTEND_BLESS").is_some() {
        fs::write(&path, &reference).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == reference, "{} is stale; run: ATTEND_BLESS=1 cargo test -p runs", path.display());
}

fn reference() -> String {
    let source = Source::read(&FILES);
    let mut page = INTRODUCTION.to_string();
    task(&mut page, &source);
    let note = "The vocabularies. Required for `kind = \"translate\"`, rejected for all other tasks. The tables \
                `[tokenizer.source]` and `[tokenizer.target]` have the same keys but `joint`: each side then has a vocabulary \
                of its own, and the keys of `[tokenizer]` hold for the sides that do not set them.";
    section(&mut page, &source, "tokenizer", "TokenizerConfig", note, &TokenizerConfig::default());
    let note = "Filters and shuffling of the training corpus. Only for `kind = \"translate\"`; pairs with an empty side \
                are always dropped.";
    section(&mut page, &source, "data", "DataConfig", note, &DataConfig::default());
    let note = "Sizes and options of the network. The defaults are the paper's base model.";
    section(&mut page, &source, "model", "ModelConfig", note, &ModelConfig::default());
    let note = "Optimizer, schedule, batch size, regularisation and checkpoints.";
    section(&mut page, &source, "training", "TrainingConfig", note, &TrainingConfig::default());
    let note = "Interval, size and metric of validations, and early stopping.";
    section(&mut page, &source, "validation", "ValidationConfig", note, &ValidationConfig::default());
    let note = "Default decoding settings. The options of `infer` override this table.";
    section(&mut page, &source, "decoding", "DecodingConfig", note, &DecodingConfig::default());
    resume(&mut page);
    page
}

/// The keys that may change with `--resume`.
fn resume(page: &mut String) {
    page.push_str(
        "\n## Changes with `--resume`\n\nA resumed run ends with the weights of a run that had its configuration from the \
         start. The rule of a table holds for its keys without a rule of their own. With `training.init_from`, a key that is \
         removed from `[model]`, `[tokenizer]` or `[decoding]`, and a removed `training.schedule`, `training.learning_rate` \
         or `training.warmup_steps`, keeps the value of the run.\n\n| key | may change |\n|---|---|\n",
    );
    for (key, rule) in resume_rules().into_iter().filter(|(key, _)| *key != "task.rule") {
        let rule = match rule {
            ResumeRule::Fixed(reason) => format!("no: {reason}"),
            ResumeRule::Free => "yes: it decides only what is logged and kept from here on".to_string(),
            ResumeRule::Corpus => "yes, if the text is the same by its hash in `corpora.json`".to_string(),
            ResumeRule::Steps => "yes, to at least the checkpoint's step, unless `training.schedule = \"cosine\"` or \
                                  `training.anneal_dropout` makes updates depend on it"
                .to_string(),
            ResumeRule::Patience => "yes, to a higher number or 0".to_string(),
            ResumeRule::BeforeValidation => "before the first validation".to_string(),
        };
        writeln!(page, "| `{key}` | {rule} |").unwrap();
    }
}

/// `[task]`, whose keys depend on its kind.
fn task(page: &mut String, source: &Source) {
    heading(page, "task", "The task. `kind` determines which other keys the table has.");
    let mut kinds = source.variants("GeneratedTask").expect("an enum");
    let doc = "Translation between the two sides of a corpus.".to_string();
    kinds.push(Item { name: "translate".to_string(), kind: String::new(), doc, alias: None });
    let kind = Item { name: "kind".to_string(), kind: String::new(), doc: "The task.".to_string(), alias: None };
    row(page, &kind, &values(&kinds), "required");
    let default = GeneratedConfig::new(GeneratedTask::Copy);
    for mut item in source.fields("GeneratedConfig").into_iter().filter(|item| item.name != "rule") {
        let default = match item.name.as_str() {
            "symbols" => default.symbols,
            "min_length" => default.min_length,
            "max_length" => default.max_length,
            name => panic!("no default for {name}"),
        };
        item.doc = format!("Generated tasks: {}", lowercase_first(&item.doc));
        row(page, &item, "integer", &format!("`{default}`"));
    }
    for mut item in source.fields("TranslateConfig") {
        let default = if item.kind.starts_with("Option") { "none" } else { "required" };
        item.doc = format!("`translate`: {}", lowercase_first(&item.doc));
        row(page, &item, "corpus", default);
    }
    page.push_str(
        "\nA corpus is the path of a TSV file (`source TAB target`), a list of such paths, or `{ source = …, target = … }` \
         with a path or a list of paths for each side. Files may be compressed by gzip or zstd.\n",
    );
    explain(page, "kind", &kinds);
}

fn section(page: &mut String, source: &Source, table: &str, name: &str, note: &str, defaults: &impl Serialize) {
    heading(page, table, note);
    let defaults = Table::try_from(defaults).expect("a table");
    let fields = source.fields(name);
    for field in &fields {
        let kind = field.kind.strip_prefix("Option<").map_or(&*field.kind, |kind| kind.trim_end_matches('>'));
        let kind = match kind {
            "usize" | "u64" => "integer".to_string(),
            "f64" => "number".to_string(),
            "bool" => "boolean".to_string(),
            "PathBuf" => "path".to_string(),
            "String" => "text".to_string(),
            "Vec<String>" => "list of strings".to_string(),
            other => source.variants(other).map_or("table".to_string(), |variants| values(&variants)),
        };
        let derived = DERIVED.iter().find(|(key, _)| *key == format!("{table}.{}", field.name));
        let default = derived.map_or_else(|| default(defaults.get(&field.name)), |(_, default)| default.to_string());
        row(page, field, &kind, &default);
    }
    for field in &fields {
        let kind = field.kind.trim_start_matches("Option<").trim_end_matches('>');
        if let Some(variants) = source.variants(kind) {
            explain(page, &field.name, &variants);
        }
    }
}

fn lowercase_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

fn heading(page: &mut String, table: &str, note: &str) {
    write!(page, "\n## `[{table}]`\n\n{note}\n\n| key | type | default | meaning |\n|---|---|---|---|\n").unwrap();
}

fn row(page: &mut String, item: &Item, kind: &str, default: &str) {
    assert!(!item.doc.is_empty(), "`{}` has no doc comment", item.name);
    let (doc, alias) = (item.doc.replace('|', "\\|"), formerly(item, ""));
    writeln!(page, "| `{}` | {kind} | {default} | {doc}{alias} |", item.name).unwrap();
}

/// The values of an enum, with their meaning.
fn explain(page: &mut String, key: &str, variants: &[Item]) {
    write!(page, "\nValues of `{key}`:\n\n").unwrap();
    for variant in variants {
        assert!(!variant.doc.is_empty(), "`{}` has no doc comment", variant.name);
        writeln!(page, "- `\"{}\"`: {}{}", variant.name, variant.doc, formerly(variant, "\"")).unwrap();
    }
}

/// The earlier name of a key or value.
fn formerly(item: &Item, quote: &str) -> String {
    item.alias.as_ref().map_or(String::new(), |alias| format!(" Formerly `{quote}{alias}{quote}`."))
}

fn values(variants: &[Item]) -> String {
    variants.iter().map(|variant| format!("`\"{}\"`", variant.name)).collect::<Vec<_>>().join(", ")
}

fn default(value: Option<&Value>) -> String {
    match value {
        None => "none".to_string(),
        Some(Value::Table(table)) => {
            let keys: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            format!("`{{ {} }}`", keys.join(", "))
        }
        Some(value) => format!("`{value}`"),
    }
}
