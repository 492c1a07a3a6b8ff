//! The model as a server.

use ::serve::{self, About, Limits, Listener, ServeError, Serving};
use decode::DecodeError;
use model::backend;

use crate::arguments::{ServeArguments, settings};
use crate::tell;

pub fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let ServeArguments { model, listen, decoding, batches, limits, machine } = arguments;
    let limits = Limits::from(limits);
    limits.validate().map_err(DecodeError::from)?;
    // Before the model, which takes longer, is read for nothing.
    let listener = Listener::bind(&listen)?;
    let trained = machine.open(&model)?;
    let settings = settings(&decoding, &trained)?;
    let backend = backend::choose(machine.device.as_deref())?.to_string();
    let name = model.file_name().unwrap_or(model.as_os_str()).to_string_lossy().into_owned();
    let workers = if trained.engine.gains_by_workers() { rayon::current_num_threads() } else { 1 };
    let say = move |line: &str| {
        if !machine.quiet {
            tell(line);
        }
    };
    serve::run(
        trained,
        listener,
        Serving { settings, workers, batch_tokens: batches.batch_tokens, limits, about: About { name, backend } },
        say,
    )
    .map_err(|error| match error {
        ServeError::Infer(error) => anyhow::Error::from(error),
        error => error.into(),
    })
}
