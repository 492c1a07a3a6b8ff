//! The tensors of a folder, taken by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use model::ModelConfig;
use model::config::PositionKind;

use super::{Family, bart};
use crate::InterchangeError;
use crate::marian::names::LOGITS_BIAS;
use crate::marian::positions::check_sinusoids;
use crate::marian::weights_file;
use crate::tensor::StoredTensor;

/// The tensors that no weight has taken yet.
pub(super) struct Stored {
    tensors: BTreeMap<String, StoredTensor>,
    /// The file, or the index of its shards.
    pub path: PathBuf,
}

impl Stored {
    /// Reads the weights of a folder.
    ///
    /// # Errors
    /// A folder without weights, or a file that cannot be read.
    pub fn read(folder: &Path) -> Result<Self, InterchangeError> {
        let (tensors, path) = weights_file::read(folder)?;
        Ok(Self { tensors, path })
    }

    pub fn wrong(&self, name: &str, found: String, expected: String) -> InterchangeError {
        let remedy = "fetch the files of one model";
        InterchangeError::Tensor { path: self.path.clone(), name: name.to_owned(), found, expected, remedy }
    }

    /// Removes tensors that the network does not read.
    pub fn drop_all(&mut self, names: &[&str]) {
        for name in names {
            self.tensors.remove(*name);
        }
    }

    /// Keeps one copy of a matrix, under the first of its names.
    ///
    /// # Errors
    /// Two copies with other values.
    pub fn unite(&mut self, names: &[&str]) -> Result<(), InterchangeError> {
        let mut found = names.iter().filter_map(|name| Some((*name, self.tensors.remove(*name)?)));
        let Some((first, matrix)) = found.next() else { return Ok(()) };
        let copies: Vec<(&str, StoredTensor)> = found.collect();
        if let Some((name, _)) = copies.iter().find(|(_, copy)| *copy != matrix) {
            return Err(self.wrong(name, "other values".to_owned(), format!("a copy of `{first}`")));
        }
        self.tensors.insert(names[0].to_owned(), matrix);
        Ok(())
    }

    /// Converts tables of positions and the bias of the output to the tensors of the network: learned positions lose the rows
    /// that no position has, sinusoids are checked and dropped, and a bias of zeros is none.
    ///
    /// # Errors
    /// A table of other numbers than the sinusoids.
    pub fn settle_positions(&mut self, family: Family, model: &mut ModelConfig) -> Result<(), InterchangeError> {
        if family == Family::T5 {
            return Ok(());
        }
        for name in bart::POSITIONS {
            let Some(mut table) = self.tensors.remove(name) else { continue };
            match model.positions {
                PositionKind::Learned => {
                    let width = table.shape.last().copied().unwrap_or_default();
                    let rows = table.values.len().checked_div(width).unwrap_or_default();
                    let unused = bart::UNUSED_POSITIONS;
                    if table.shape != [model.max_length + unused, model.d_model] {
                        let expected = format!("[{}, {}]", model.max_length + unused, model.d_model);
                        return Err(self.wrong(name, format!("shape {:?}", table.shape), expected));
                    }
                    table.values.drain(..unused * width);
                    table.shape = vec![rows - unused, width];
                    self.tensors.insert(name.to_owned(), table);
                }
                PositionKind::Sinusoidal
                | PositionKind::SinusoidalHalves
                | PositionKind::SinusoidalFairseq
                | PositionKind::Relative
                | PositionKind::RelativePerLayer
                | PositionKind::SinusoidalRelative => {
                    let checked = check_sinusoids(&table, model.max_length, model.d_model);
                    checked.map_err(|(found, expected)| self.wrong(name, found, expected))?;
                }
            }
        }
        if let Some(mut bias) = self.tensors.remove(LOGITS_BIAS) {
            model.output_bias = bias.values.iter().any(|value| *value != 0.0);
            if model.output_bias {
                if bias.shape.first() == Some(&1) {
                    bias.shape.remove(0);
                }
                self.tensors.insert(LOGITS_BIAS.to_owned(), bias);
            }
        } else {
            model.output_bias = false;
        }
        Ok(())
    }

    /// Decides whether the output has the matrix of the embeddings, and then removes its copy.
    ///
    /// # Errors
    /// A file that contradicts `tied`.
    pub fn decide_tying(
        &mut self,
        embeddings: &str,
        output: &str,
        tied: Option<bool>,
    ) -> Result<bool, InterchangeError> {
        let own = self.tensors.get(output);
        let equal = own.is_none_or(|own| Some(own) == self.tensors.get(embeddings));
        match tied {
            Some(false) => return Ok(false),
            Some(true) if !equal => {
                let expected = format!("a copy of `{embeddings}`, with which config.json ties it");
                return Err(self.wrong(output, "other values".to_owned(), expected));
            }
            None | Some(true) => {}
        }
        if equal {
            self.tensors.remove(output);
        }
        Ok(equal)
    }

    /// Takes the tensor of this name and shape.
    ///
    /// # Errors
    /// A tensor that is missing, has another shape, or numbers that are not finite.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, InterchangeError> {
        let Some(found) = self.tensors.remove(name) else {
            return Err(self.wrong(name, "nothing".to_owned(), format!("a tensor of shape {shape:?}")));
        };
        if found.shape != shape {
            return Err(self.wrong(name, format!("shape {:?}", found.shape), format!("{shape:?}")));
        }
        if found.values.iter().any(|value| !value.is_finite()) {
            return Err(self.wrong(name, "values that are not finite".to_owned(), "numbers".to_owned()));
        }
        Ok(found.values)
    }

    /// Rejects tensors that no weight has taken.
    ///
    /// # Errors
    /// The first of them.
    pub fn check_nothing_left(&self) -> Result<(), InterchangeError> {
        match self.tensors.keys().next() {
            None => Ok(()),
            Some(name) => {
                let expected = "only the tensors of a model of this configuration".to_owned();
                Err(self.wrong(name, "it".to_owned(), expected))
            }
        }
    }
}
