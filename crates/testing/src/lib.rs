//! Fixtures and helpers shared by the tests of several crates. Not for programs.

#[cfg(feature = "attention")]
pub mod attention_fixture;
pub mod cli_reference;
pub mod family_fixture;
pub mod http_client;
#[cfg(unix)]
pub mod job;
pub mod marian_fixture;
pub mod model_fixture;
pub mod process_output;
pub mod run;
pub mod samples;
pub mod variants;
pub mod work_folder;

pub use process_output::{ProcessOutput, binary, without_gpu};
pub use run::Run;
pub use work_folder::WorkFolder;
