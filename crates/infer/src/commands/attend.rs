//! What a model attends to, as numbers, a page or a picture.

use model::{ConfigError, ModelConfig};
use views::picture::{Kind, View};
use views::{attend, page, picture};

use crate::arguments::{AttendArguments, AttendFormat, AttentionName, settings};
use crate::{results, tell};

pub fn run(arguments: AttendArguments) -> anyhow::Result<()> {
    let form = arguments.form();
    let AttendArguments { model, text, target, output, attention, layer, head, decoding, machine, .. } = arguments;
    let view = View { kind: attention.unwrap_or(AttentionName::Cross).into(), layer, head };
    let trained = machine.open(&model)?;
    let settings = settings(&decoding, &trained)?;
    check(view, &trained.config)?;
    let attention = attend(&trained, &settings, &text, target.as_deref())?;
    let bytes = match form {
        AttendFormat::Json => attention.to_json().into_bytes(),
        AttendFormat::Html => page::html(&attention).into_bytes(),
        AttendFormat::Svg => picture::svg(&attention, view).into_bytes(),
        AttendFormat::Png => picture::png(&attention, view)?,
    };
    results::write(&output, &bytes)?;
    if !machine.quiet && !results::is_standard(&output) {
        tell(format!("{}: {} → {}", output.display(), attention.source.text, attention.target.text));
    }
    Ok(())
}

/// Refuses a view of what the model does not have.
fn check(view: View, config: &ModelConfig) -> Result<(), ConfigError> {
    let layers = match view.kind {
        Kind::Encoder => config.encoder_layers,
        Kind::Decoder | Kind::Cross => config.decoder_layers,
    };
    for (option, chosen, count) in [("--layer", view.layer, layers), ("--head", view.head, config.n_heads)] {
        if let Some(index) = chosen.filter(|&index| index >= count) {
            let expected = format!("1 to {count}, which the {} has", view.kind.name());
            return Err(ConfigError::new(option, index + 1, expected, "leave it out for all"));
        }
    }
    Ok(())
}
