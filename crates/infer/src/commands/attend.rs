//! `infer attend`: the attention of a translation as numbers, as a page or as a picture.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use decode::{Settings, TooLong};
use model::config::DecoderSelf;
use model::{AttentionKind, ConfigError, ModelConfig};
use runs::DecodingOverrides;
use views::picture::View;
use views::{attend, page, picture};

use crate::arguments::parse_text;
use crate::log::log_line;
use crate::notes::describe;
use crate::options::{DeviceOptions, UsageError, one_based, option_name, settings};
use crate::output_file;

#[derive(Args)]
pub struct Arguments {
    /// Run folder written by `train`, such as runs/tiny
    #[arg(long, value_name = "DIR")]
    model: PathBuf,
    /// Text to translate. One that looks like an option, such as `-Yes`, goes behind `--`
    #[arg(value_name = "TEXT", value_parser = parse_text)]
    text: String,
    /// Show the attention of this translation instead of decoding one
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    target: Option<String>,
    /// File to write: .json for all numbers, .html for a page, .svg or .png for a picture; - is standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Output format [default: by the extension of the file; json on standard output]
    #[arg(long, value_enum)]
    format: Option<AttendFormat>,
    /// Pictures: one of the three attentions [default: cross]
    #[arg(long, value_enum)]
    attention: Option<AttentionName>,
    /// Pictures: one layer, counted from 1 [default: all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    layer: Option<usize>,
    /// Pictures: one head, counted from 1 [default: all]
    #[arg(long, value_name = "N", value_parser = one_based)]
    head: Option<usize>,
    /// A text, or target, with more tokens than the model has positions: crop it, or fail
    #[arg(long, value_name = "ACTION", value_enum, default_value = "fail")]
    too_long: AttendTooLong,
    #[command(flatten)]
    decoding: DecodingOverrides,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Output format of `infer attend`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AttendFormat {
    Json,
    Html,
    Svg,
    Png,
}

/// A value of `--too-long`: there is no view of a text that is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum AttendTooLong {
    Crop,
    Fail,
}

impl From<AttendTooLong> for TooLong {
    fn from(action: AttendTooLong) -> Self {
        match action {
            AttendTooLong::Crop => Self::Crop,
            AttendTooLong::Fail => Self::Fail,
        }
    }
}

/// One of the three attentions of figure 1.
#[derive(Clone, Copy, ValueEnum)]
enum AttentionName {
    Encoder,
    Decoder,
    Cross,
}

impl From<AttentionName> for AttentionKind {
    fn from(name: AttentionName) -> Self {
        match name {
            AttentionName::Encoder => AttentionKind::Encoder,
            AttentionName::Decoder => AttentionKind::Decoder,
            AttentionName::Cross => AttentionKind::Cross,
        }
    }
}

/// Writes the attention of one text.
pub fn run(arguments: Arguments) -> anyhow::Result<()> {
    let format = arguments.output_format()?;
    arguments.check_target()?;
    let Arguments { model, text, target, output, attention, layer, head, too_long, decoding, device, .. } = arguments;
    let view = View { kind: attention.unwrap_or(AttentionName::Cross).into(), layer, head };
    output_file::check(&output, &[&model])?;
    let trained = device.open(&model)?;
    let settings = Settings { too_long: too_long.into(), ..settings(&decoding, &trained)? };
    check_view(view, &trained.config)?;
    let attention = attend(&trained, &settings, &text, target.as_deref())?;
    let bytes = match format {
        AttendFormat::Json => attention.to_json().into_bytes(),
        AttendFormat::Html => page::html(&attention).into_bytes(),
        AttendFormat::Svg => picture::svg(&attention, view).into_bytes(),
        AttendFormat::Png => picture::png(&attention, view)?,
    };
    output_file::write(&output, &bytes)?;
    if device.quiet {
        return Ok(());
    }
    for problem in [&attention.source.problem, &attention.target.problem].into_iter().flatten() {
        log_line(format!("note: {}", describe(problem)));
    }
    if !output_file::is_stdout(&output) {
        log_line(format!("{}: {} → {}", output.display(), attention.source.text, attention.target.text));
    }
    Ok(())
}

impl Arguments {
    /// Rejects options of a search where a translation is given. Its languages still matter.
    fn check_target(&self) -> Result<(), UsageError> {
        let of_search =
            self.decoding.given().into_iter().find(|option| !matches!(*option, "source_lang" | "target_lang"));
        match of_search.filter(|_| self.target.is_some()) {
            None => Ok(()),
            Some(option) => {
                let option = option_name(option);
                let message =
                    format!("{option}: found --target, too, with which nothing is decoded; remove one of them");
                Err(UsageError::new(ErrorKind::ArgumentConflict, message))
            }
        }
    }

    /// The output format, by `--format` or by the extension of the file.
    ///
    /// # Errors
    /// An unknown extension, a PNG on standard output, or options of pictures for another format.
    fn output_format(&self) -> Result<AttendFormat, UsageError> {
        let to_stdout = output_file::is_stdout(&self.output);
        let by_extension = format_by_extension(&self.output).or(to_stdout.then_some(AttendFormat::Json));
        let Some(format) = self.format.or(by_extension) else {
            let found = self.output.display();
            let message = format!("--output {found}: expected a name that ends in .json, .html, .svg or .png");
            return Err(UsageError::new(ErrorKind::InvalidValue, message));
        };
        if to_stdout && format == AttendFormat::Png {
            let message = "--format png: expected json, html or svg on standard output; give --output a file";
            return Err(UsageError::new(ErrorKind::ArgumentConflict, message));
        }
        let is_picture = match format {
            AttendFormat::Svg | AttendFormat::Png => true,
            AttendFormat::Json | AttendFormat::Html => false,
        };
        let picture_options = [
            ("--attention", self.attention.is_some()),
            ("--layer", self.layer.is_some()),
            ("--head", self.head.is_some()),
        ];
        if let Some((option, _)) = picture_options.into_iter().find(|(_, given)| *given && !is_picture) {
            let message =
                format!("{option} selects a part of a picture (.svg, .png); the other formats hold everything");
            return Err(UsageError::new(ErrorKind::ArgumentConflict, message));
        }
        Ok(format)
    }
}

fn format_by_extension(path: &Path) -> Option<AttendFormat> {
    match path.extension()?.to_str()?.to_lowercase().as_str() {
        "json" => Some(AttendFormat::Json),
        "html" => Some(AttendFormat::Html),
        "svg" => Some(AttendFormat::Svg),
        "png" => Some(AttendFormat::Png),
        _ => None,
    }
}

/// Rejects a layer or head that the model does not have.
fn check_view(view: View, config: &ModelConfig) -> Result<(), ConfigError> {
    let recurrent = match config.decoder_self {
        DecoderSelf::Attention => false,
        DecoderSelf::Ssru => true,
    };
    if recurrent && view.kind == AttentionKind::Decoder {
        let expected = "encoder or cross, since this decoder has recurrent cells in place of self-attention";
        return Err(ConfigError::new("--attention", "decoder", expected, "leave it out for cross-attention"));
    }
    let (layers, heads) = match view.kind {
        AttentionKind::Encoder => (config.encoder_layers, config.n_heads),
        AttentionKind::Decoder | AttentionKind::Cross => (config.decoder_layers, config.of_decoder().n_heads),
    };
    for (option, selected, count) in [("--layer", view.layer, layers), ("--head", view.head, heads)] {
        if let Some(index) = selected.filter(|&index| index >= count) {
            let expected = format!("1 to {count}, which the {} has", view.kind.name());
            return Err(ConfigError::new(option, index + 1, expected, "leave it out for all"));
        }
    }
    Ok(())
}
