//! The arguments of `infer attend`.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};
use runs::DecodingOverrides;
use views::picture::Kind;

use super::{Arguments, MachineArguments, one_based};

#[derive(Args)]
pub struct AttendArguments {
    /// Folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Text to decode
    #[arg(value_name = "TEXT")]
    pub text: String,
    /// What the model shall say, instead of what it says by itself; leaves nothing to decode
    #[arg(long, value_name = "TEXT", conflicts_with = "DecodingOverrides")]
    pub target: Option<String>,
    /// File to write: .json for all numbers, .html for a page, .svg or .png for a picture; - is standard output
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Form of the output [default: as the file's name ends; on standard output, json]
    #[arg(long, value_enum)]
    pub format: Option<AttendFormat>,
    /// Pictures: which of the three attentions [default: cross]
    #[arg(long, value_enum)]
    pub attention: Option<AttentionName>,
    /// Pictures: one layer alone, counted from 1 [default: all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    pub layer: Option<usize>,
    /// Pictures: one head alone, counted from 1 [default: all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    pub head: Option<usize>,
    #[command(flatten)]
    pub decoding: DecodingOverrides,
    #[command(flatten)]
    pub machine: MachineArguments,
}

/// What `infer attend` writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AttendFormat {
    Json,
    Html,
    Svg,
    Png,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AttentionName {
    Encoder,
    Decoder,
    Cross,
}

impl From<AttentionName> for Kind {
    fn from(name: AttentionName) -> Self {
        match name {
            AttentionName::Encoder => Kind::Encoder,
            AttentionName::Decoder => Kind::Decoder,
            AttentionName::Cross => Kind::Cross,
        }
    }
}

impl AttendArguments {
    /// In what form to write; where the arguments make no sense together, says so and ends the program with code 2.
    pub fn form(&self) -> AttendFormat {
        let refuse = |kind, message: String| -> ! { Arguments::command().error(kind, message).exit() };
        let standard_output = self.output == Path::new("-");
        let extension = self.output.extension().and_then(|extension| extension.to_str()).map(str::to_lowercase);
        let named = match extension.as_deref() {
            Some("json") => Some(AttendFormat::Json),
            Some("html") => Some(AttendFormat::Html),
            Some("svg") => Some(AttendFormat::Svg),
            Some("png") => Some(AttendFormat::Png),
            _ => standard_output.then_some(AttendFormat::Json),
        };
        let Some(form) = self.format.or(named) else {
            let found = self.output.display();
            let message = format!("--output {found}: expected a name that ends in .json, .html, .svg or .png");
            refuse(ErrorKind::InvalidValue, message)
        };
        if standard_output && form == AttendFormat::Png {
            let message =
                "--format png: expected json, html or svg on standard output; give --output a file".to_string();
            refuse(ErrorKind::ArgumentConflict, message);
        }
        let picture = matches!(form, AttendFormat::Svg | AttendFormat::Png);
        let chosen = [
            ("--attention", self.attention.is_some()),
            ("--layer", self.layer.is_some()),
            ("--head", self.head.is_some()),
        ];
        if let Some((option, _)) = chosen.into_iter().find(|(_, given)| *given && !picture) {
            let message =
                format!("{option} chooses what a picture shows (.svg, .png); the other forms show everything");
            refuse(ErrorKind::ArgumentConflict, message);
        }
        form
    }
}
