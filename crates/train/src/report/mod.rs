//! The report: one page in the run folder that shows how training goes, for any browser, with nothing to load.
//!
//! `metrics` reads `metrics.jsonl`, `curves` says which charts there are, `chart` draws one on its `axis`,
//! and `page` puts everything into `page.html`, with numbers written by `number` and text by `html`.

mod axis;
mod chart;
mod curves;
mod html;
mod metrics;
mod number;
mod page;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use runs::RunError;
use runs::layout;

use crate::error::TrainError;
use metrics::Metrics;
use runs::durable;
use runs::layout::METRICS;

const REPORT: &str = "report.html";

/// Writes `report.html` from what the run folder holds so far, replacing the one before.
///
/// # Errors
/// `config.toml` or `metrics.jsonl` that cannot be read, or a folder that cannot be written to.
pub fn write(run: &Path) -> Result<(), TrainError> {
    let (config, metrics) = (read(&run.join(layout::CONFIG))?, read(&run.join(METRICS))?);
    let report = run.join(REPORT);
    let page = page::page(&name(run), &config, &Metrics::parse(&metrics)).map_err(|source| RunError::Write {
        path: report.clone(),
        action: "drawing the curves",
        source,
    })?;
    Ok(durable::replace_file(&report, page.as_bytes())?)
}

/// A page is worth having even if a byte of a file is not text.
fn read(path: &Path) -> Result<String, TrainError> {
    let bytes = fs::read(path).map_err(|source| TrainError::Read { path: path.to_path_buf(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The folder's own name, also where it was given as `.`.
fn name(run: &Path) -> String {
    let whole = run.canonicalize().unwrap_or_else(|_| run.to_path_buf());
    whole.file_name().unwrap_or(run.as_os_str()).to_string_lossy().into_owned()
}
