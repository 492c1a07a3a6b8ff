//! The model as a server.

use ::serve::{self, About, Limits, Listener, Serving};
use model::backend;

use crate::arguments::ServeArguments;
use crate::tell;

pub fn run(arguments: ServeArguments) -> anyhow::Result<()> {
    let ServeArguments { model, listen, decoding, batches, limits, machine } = arguments;
    let limits = Limits::from(limits);
    limits.validate()?;
    // Before the model, which takes longer, is read for nothing.
    let listener = Listener::bind(&listen)?;
    let mut trained = machine.open(&model)?;
    decoding.apply(&mut trained)?;
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
        Serving { workers, batch_tokens: batches.batch_tokens, limits, about: About { name, backend } },
        say,
    )?;
    Ok(())
}
