//! Matrices in the type in which they are multiplied.

use std::borrow::Borrow;
use std::sync::Arc;

use kernels::decode::{Bfloat16Matrix, Int8Matrix, Int8Rows, Matrix, PackedMatrix};
use model::safetensors_reader::StoredValues;
use runs::config::DecodingPrecision;

use super::Loader;
use crate::engine::cpu::layers::Table;

/// The weight and bias of a layer.
type Layer<T> = (T, Option<Vec<f32>>);

impl Loader<'_> {
    /// Layers over the same input as one matrix.
    pub(super) fn matrix(&self, layers: Vec<Layer<StoredValues>>, d_input: usize) -> Matrix {
        match self.precision {
            DecodingPrecision::Float32 => {
                let layers = map(layers, StoredValues::into_float32);
                Matrix::Float32(PackedMatrix::stacked(&borrowed(&layers), d_input))
            }
            DecodingPrecision::Bfloat16 => {
                let layers = map(layers, StoredValues::into_float32);
                Matrix::Bfloat16(Bfloat16Matrix::stacked(&borrowed(&layers), d_input))
            }
            DecodingPrecision::Int8 => {
                let layers = map(layers, |values| values.into_int8(d_input));
                Matrix::Int8(Int8Matrix::stacked(&borrowed::<Int8Rows, _>(&layers), d_input))
            }
        }
    }

    /// A table of embeddings, in int8 where the output projection is.
    pub(super) fn table(&self, values: StoredValues) -> Arc<Table> {
        Arc::new(match self.precision {
            DecodingPrecision::Float32 | DecodingPrecision::Bfloat16 => Table::Float32(values.into_float32()),
            DecodingPrecision::Int8 => Table::Int8(values.into_int8(self.config.d_model)),
        })
    }
}

fn map<T, U>(layers: Vec<Layer<T>>, convert: impl Fn(T) -> U) -> Vec<Layer<U>> {
    layers.into_iter().map(|(weight, bias)| (convert(weight), bias)).collect()
}

fn borrowed<T: ?Sized, V: Borrow<T>>(layers: &[Layer<V>]) -> Vec<(&T, Option<&[f32]>)> {
    layers.iter().map(|(weight, bias)| (weight.borrow(), bias.as_deref())).collect()
}
