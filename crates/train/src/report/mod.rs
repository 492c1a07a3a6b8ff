//! The report: one self-contained page in the run folder with curves, scores and samples, for any browser.
//!
//! `metrics` sorts the records of `metrics.jsonl`, `curves` lists the charts, and `chart` draws one on its `axis`. `page`
//! fills `page.html`; `number` formats numbers, and `html` escapes text.

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
use runs::atomic::{replace_file, write_error};
use runs::layout::{CONFIG, METRICS, REPORT};

use crate::error::TrainError;
use metrics::Metrics;

/// Writes `report.html` from the run folder's configuration and metrics, replacing an earlier one.
///
/// # Errors
/// `config.toml` or `metrics.jsonl` that cannot be read, or a folder that cannot be written to.
pub fn write(run: &Path) -> Result<(), TrainError> {
    let (config, metrics) = (read(&run.join(CONFIG))?, read(&run.join(METRICS))?);
    let report = run.join(REPORT);
    let page = page::page(&name(run), &config, &Metrics::parse(&metrics))
        .map_err(write_error(&report, "drawing the curves"))?;
    Ok(replace_file(&report, page.as_bytes())?)
}

/// Reads a file, replacing bytes that are not UTF-8.
fn read(path: &Path) -> Result<String, TrainError> {
    let bytes = fs::read(path).map_err(|source| RunError::Read { path: path.to_path_buf(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The folder's own name, even if the path is `.`.
fn name(run: &Path) -> String {
    let whole = run.canonicalize().unwrap_or_else(|_| run.to_path_buf());
    whole.file_name().unwrap_or(run.as_os_str()).to_string_lossy().into_owned()
}
