//! The option of a vocabulary shortlist.

use std::path::{Path, PathBuf};

use clap::Args;
use decode::shortlist::Shortlist;
use decode::{DecodeError, TrainedModel};

/// The file of a shortlist.
#[derive(Args)]
pub struct ShortlistOptions {
    /// File of target tokens by source token, from `infer shortlist` or a model of Marian (lex.*.bin): others are not
    /// considered, which is faster with a large vocabulary and changes some translations [default: none]
    #[arg(long, value_name = "FILE")]
    shortlist: Option<PathBuf>,
}

impl ShortlistOptions {
    /// Whether a shortlist is given.
    #[cfg(feature = "serve")]
    pub fn is_given(&self) -> bool {
        self.shortlist.is_some()
    }

    /// The file, if one is given.
    pub fn file(&self) -> Option<&Path> {
        self.shortlist.as_deref()
    }

    /// Restricts the translations of a model to the shortlist, if one is given.
    ///
    /// # Errors
    /// A file that is damaged or belongs to another model.
    pub fn apply(&self, trained: &mut TrainedModel) -> Result<(), DecodeError> {
        if let Some(path) = &self.shortlist {
            trained.shortlist = Some(Shortlist::open(path, &trained.saved)?);
        }
        Ok(())
    }
}
