//! float32 arrays as operations see them: a slice, a shape and strides.

use burn::backend::flex::{FlexTensor, Layout};
use burn::tensor::{Bytes, DType, Shape};

/// A float32 tensor of the CPU backend; cloning shares its values.
#[derive(Clone, Debug)]
pub struct Array(FlexTensor);

impl Array {
    /// An array of row-major values.
    ///
    /// # Panics
    /// A number of values other than the shape's.
    pub fn new(values: Vec<f32>, shape: impl Into<Shape>) -> Self {
        let shape = shape.into();
        assert_eq!(values.len(), shape.num_elements(), "as many values as the shape {shape:?} has");
        Self(FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32))
    }

    /// The shape as `D` dimensions.
    ///
    /// # Panics
    /// Other than `D` dimensions.
    pub fn dims<const D: usize>(&self) -> [usize; D] {
        self.0.layout().shape().dims()
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.0.layout().shape().clone()
    }

    /// Length of the last dimension.
    pub fn width(&self) -> usize {
        self.0.layout().shape().last().copied().unwrap_or(1)
    }

    /// The same values in row-major order, copied only where they are not.
    pub fn row_major(self) -> Self {
        match self.0.as_slice::<f32>() {
            Some(_) => self,
            None => Self(self.0.to_contiguous()),
        }
    }

    /// The values of a row-major array.
    ///
    /// # Panics
    /// An array that is not row-major; call [`row_major`](Self::row_major) first.
    pub fn values(&self) -> &[f32] {
        self.0.as_slice().expect("a row-major array")
    }

    /// The values of a row-major array, mutable in place; shared values are copied first.
    pub fn values_mut(&mut self) -> &mut [f32] {
        if self.0.layout().start_offset() != 0 || self.0.storage::<f32>().len() != self.shape().num_elements() {
            *self = Self::new(self.values().to_vec(), self.shape());
        }
        self.0.storage_mut()
    }

    /// Whether no dimension runs backwards, as [`strided`](Self::strided) requires.
    pub fn runs_forward(&self) -> bool {
        self.0.layout().strides().iter().all(|&stride| stride >= 0)
    }

    /// The values from the first one on, and the stride of each dimension.
    ///
    /// # Panics
    /// A dimension that runs backwards, or other than `D` dimensions.
    pub fn strided<const D: usize>(&self) -> (&[f32], [usize; D]) {
        let layout = self.0.layout();
        let strides: Vec<usize> =
            layout.strides().iter().map(|&stride| usize::try_from(stride).expect("forward")).collect();
        let values = &self.0.storage::<f32>()[layout.start_offset()..];
        (values, strides.try_into().expect("as many strides as dimensions"))
    }

    /// The same values with two dimensions exchanged.
    pub fn transposed(self, first: usize, second: usize) -> Self {
        let layout = self.0.layout().transpose(first, second);
        Self(self.0.with_layout(layout))
    }
}

impl From<FlexTensor> for Array {
    fn from(tensor: FlexTensor) -> Self {
        Self(tensor)
    }
}

impl From<Array> for FlexTensor {
    fn from(array: Array) -> Self {
        array.0
    }
}
