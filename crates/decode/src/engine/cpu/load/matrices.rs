//! Matrices in the type in which they are multiplied.

use std::borrow::Borrow;
use std::sync::Arc;

use kernels::decode::{Bfloat16Matrix, Int8Matrix, Int8Rows, Matrix, PackedMatrix};
use model::safetensors_reader::StoredValues;
use model::weights::WeightsError;
use runs::config::DecodingPrecision;

use super::Loader;
use crate::engine::cpu::layers::Table;

/// A linear layer whose weight is not read yet.
pub(super) struct Layer {
    /// The name of the weight, `[d_output, d_input]`.
    pub weight: String,
    pub d_output: usize,
    pub bias: Option<Vec<f32>>,
}

impl Loader<'_> {
    /// Reads layers over the same input as one matrix.
    pub(super) fn matrix(&mut self, layers: Vec<Layer>, d_input: usize) -> Result<Matrix, WeightsError> {
        Ok(match self.precision {
            DecodingPrecision::Float32 => Matrix::Float32(self.packed(&layers, d_input)?),
            DecodingPrecision::Bfloat16 => {
                let layers = self.weights(layers, d_input, StoredValues::into_float32)?;
                Matrix::Bfloat16(Bfloat16Matrix::stacked(&borrowed(&layers), d_input, &mut self.memory))
            }
            DecodingPrecision::Int8 => {
                let layers = self.weights(layers, d_input, |values| values.into_int8(d_input))?;
                Matrix::Int8(Int8Matrix::stacked(&borrowed::<Int8Rows, _>(&layers), d_input, &mut self.memory))
            }
        })
    }

    /// Packs weights as they are read, so that a matrix is in memory once.
    fn packed(&mut self, layers: &[Layer], d_input: usize) -> Result<PackedMatrix, WeightsError> {
        let d_output = layers.iter().map(|layer| layer.d_output).sum();
        let mut packed = PackedMatrix::zeros(d_input, d_output, &mut self.memory);
        let mut output = 0;
        for Layer { weight, d_output, bias } in layers {
            self.parameters += d_output * d_input;
            packed.fill_bias(output, bias.as_deref().unwrap_or_default());
            self.source.read_rows(weight, [*d_output, d_input], &mut |rows| {
                packed.fill(output, rows);
                output += rows.len() / d_input;
            })?;
        }
        Ok(packed)
    }

    fn weights<T>(
        &mut self,
        layers: Vec<Layer>,
        d_input: usize,
        convert: impl Fn(StoredValues) -> T,
    ) -> Result<Vec<WithBias<T>>, WeightsError> {
        let read =
            |Layer { weight, d_output, bias }| Ok((convert(self.read_stored(&weight, &[d_output, d_input])?), bias));
        layers.into_iter().map(read).collect()
    }

    /// A table of embeddings, in int8 where the output projection is.
    pub(super) fn table(&self, values: StoredValues) -> Arc<Table> {
        Arc::new(match self.precision {
            DecodingPrecision::Float32 | DecodingPrecision::Bfloat16 => Table::Float32(values.into_float32()),
            DecodingPrecision::Int8 => Table::Int8(values.into_int8(self.config.d_model)),
        })
    }
}

/// The weight of a layer, and its bias if it has one.
type WithBias<T> = (T, Option<Vec<f32>>);

fn borrowed<T: ?Sized, V: Borrow<T>>(layers: &[WithBias<V>]) -> Vec<(&T, Option<&[f32]>)> {
    layers.iter().map(|(weight, bias)| (weight.borrow(), bias.as_deref())).collect()
}
