//! A run folder with random weights, and the `infer` binary run on it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use model::random::{self, Rng};
use model::{ModelConfig, Transformer, VocabularySizes, backend, weights};
use serde_json::Value;
use temp_dir::TempDir;
use text::Tokenizer;

use crate::{ProcessOutput, binary, without_gpu};

/// Positions of the model: texts of up to 23 words.
pub const MAX_LENGTH: usize = 24;

/// Ten words, the digits.
pub fn tokenizer() -> Tokenizer {
    let words: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    Tokenizer::from_words(&words)
}

/// A small network of one layer a side.
pub fn config() -> ModelConfig {
    ModelConfig {
        d_model: 16,
        n_heads: 2,
        d_ff: 32,
        encoder_layers: 1,
        decoder_layers: 1,
        max_length: MAX_LENGTH,
        ..ModelConfig::default()
    }
}

/// Weights of a model whose translations differ by text and sometimes end by themselves.
///
/// They are larger than those of an untrained network, so that the output depends on the source.
pub fn random_weights(config: &ModelConfig, sizes: VocabularySizes) -> Vec<u8> {
    let device = backend::choose(Some("flex")).and_then(|backend| backend.open()).expect("a device");
    let model = Transformer::new(config, sizes, 1, &device).expect("a valid configuration");
    let mut tensors = weights::collect(&model);
    for (index, tensor) in tensors.iter_mut().enumerate() {
        let mut rng = Rng::new(random::key(&[SEED, index as u64]));
        if !tensor.name.contains("norm") {
            tensor.values.iter_mut().for_each(|value| *value = (rng.below(2001) as f32 - 1000.0) / 500.0);
        }
    }
    weights::to_safetensors(&tensors, "{}").expect("weights")
}

/// Chosen by trial, so that the translations differ by text.
const SEED: u64 = 17;

/// A run folder.
pub struct Run {
    folder: TempDir,
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    /// A run folder in a temporary place.
    pub fn new() -> Self {
        let run = Self { folder: temp_dir::TempDir::new().expect("a temporary folder") };
        let (config, tokenizer) = (config(), tokenizer());
        let model = toml::to_string(&config).expect("TOML");
        // Decoding ignores other tables.
        run.write("config.toml", format!("[model]\n{model}\n[training]\nsteps = \"many\"\n\n[decoding]\n"));
        run.write("source.tokenizer.json", tokenizer.to_json());
        run.write("target.tokenizer.json", tokenizer.to_json());
        run.write("model.safetensors", random_weights(&config, VocabularySizes::joint(tokenizer.vocab_size())));
        run
    }

    /// The path of the run folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The path of a file in the run folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The contents of a file in the run folder.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file in the run folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.file(name), bytes).expect("a writable folder");
    }

    /// Removes a file in the run folder.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Replaces a line of `config.toml` and returns the number of the (last) line in its place.
    pub fn configure(&self, line: &str, replacement: &str) -> usize {
        let config = String::from_utf8(self.read("config.toml")).expect("text");
        let at = config.lines().position(|found| found == line).unwrap_or_else(|| panic!("{line:?} in:\n{config}"));
        self.write("config.toml", config.replacen(line, replacement, 1));
        at + replacement.lines().count()
    }

    /// The command, on flex by default: it is always compiled in, and other backends may round differently.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("infer"));
        if !arguments.contains(&"--device") {
            command.args(["--device", "flex"]);
        }
        command.arg("--model").arg(self.path()).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs `infer evaluate` on and in this folder.
    pub fn evaluate(&self, arguments: &[&str]) -> ProcessOutput {
        self.run("evaluate", arguments)
    }

    /// Runs `infer distil` on and in this folder.
    pub fn distil(&self, arguments: &[&str]) -> ProcessOutput {
        self.run("distil", arguments)
    }

    /// Runs `infer score` on and in this folder.
    pub fn score(&self, arguments: &[&str]) -> ProcessOutput {
        self.run("score", arguments)
    }

    /// Runs `infer attend` on and in this folder.
    pub fn attend(&self, arguments: &[&str]) -> ProcessOutput {
        self.run("attend", arguments)
    }

    /// Runs `infer serve` on this folder until it ends by itself.
    pub fn serve(&self, arguments: &[&str]) -> ProcessOutput {
        self.run("serve", arguments)
    }

    fn run(&self, what: &str, arguments: &[&str]) -> ProcessOutput {
        let mut command = Command::new(binary("infer"));
        command.args([what, "--device", "flex", "--model"]).arg(self.path()).args(arguments);
        ProcessOutput::from(command.current_dir(self.path()).output().expect("a binary that starts"))
    }

    /// Runs `infer --model FOLDER` with these arguments and nothing on standard input.
    pub fn infer(&self, arguments: &[&str]) -> ProcessOutput {
        ProcessOutput::from(self.command(arguments).output().expect("a binary that starts"))
    }

    /// Runs `infer` with all GPU drivers hidden.
    pub fn infer_without_gpu(&self, arguments: &[&str]) -> ProcessOutput {
        let mut command = self.command(arguments);
        ProcessOutput::from(without_gpu(&mut command).output().expect("a binary that starts"))
    }

    /// Runs `infer` with standard output redirected.
    pub fn infer_into(&self, output: Stdio, arguments: &[&str]) -> ProcessOutput {
        ProcessOutput::from(self.command(arguments).stdout(output).output().expect("a binary that starts"))
    }

    /// Runs `infer` with standard input redirected.
    pub fn infer_from(&self, input: Stdio, arguments: &[&str]) -> ProcessOutput {
        ProcessOutput::from(self.command(arguments).stdin(input).output().expect("a binary that starts"))
    }

    /// Starts `infer` with all three streams piped.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::piped()).spawn().expect("a binary that starts")
    }

    /// Runs `infer` with these bytes on standard input.
    pub fn infer_with_stdin(&self, input: impl AsRef<[u8]>, arguments: &[&str]) -> ProcessOutput {
        let mut child = self.start(arguments);
        let (mut stdin, input) = (child.stdin.take().expect("standard input"), input.as_ref().to_vec());
        // A child may stop reading before the end; the test decides whether that is an error.
        let writer = thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().expect("an end");
        writer.join().expect("a writer that ends");
        ProcessOutput::from(output)
    }

    /// The translations of texts given as arguments.
    pub fn translations(&self, texts: &[&str], options: &[&str]) -> Vec<String> {
        self.infer(&[&["--quiet"], options, &["--"], texts].concat()).lines()
    }

    /// The translations of the lines of standard input.
    pub fn translate_stdin(&self, input: impl AsRef<[u8]>, options: &[&str]) -> Vec<String> {
        self.infer_with_stdin(input, &[&["--quiet"], options].concat()).lines()
    }

    /// Expects exit code 1 and one error message with all of `parts`, the first of them exactly once.
    pub fn assert_rejects(&self, arguments: &[&str], parts: &[&str]) {
        self.infer(arguments).assert_failed(parts);
    }
}

/// A line of `--format jsonl`.
pub fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Different texts of one to twenty words, long and short mixed.
pub fn texts(count: usize) -> Vec<String> {
    let mut rng = Rng::new(random::key(&[2]));
    let mut text = |_| {
        let words: Vec<String> = (0..1 + rng.below(20)).map(|_| rng.below(10).to_string()).collect();
        words.join(" ")
    };
    (0..count).map(&mut text).collect()
}
