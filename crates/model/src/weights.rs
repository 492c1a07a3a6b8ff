//! Weights by name: collected from a module, loaded into it, and as a safetensors file.
//!
//! Names are the path of fields (`decoder.layers.0.cross_attention.query.weight`), and matrices have PyTorch's layout:
//! the weight of a linear layer is `[out, in]`, although burn keeps `[in, out]`.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::parameters::{ParameterMapper, ParameterPath, ParameterVisitor, for_each_parameter, map_parameters};

/// One tensor by name, in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// The path of fields, joined by dots.
    pub name: String,
    /// The length of each dimension.
    pub shape: Vec<usize>,
    /// The elements in row-major order.
    pub values: Vec<f32>,
}

/// The reason why weights cannot be read or do not fit a module.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The bytes are not in the format of safetensors.
    #[error("not a safetensors file ({0}); it is damaged or of another kind: restore it or train again")]
    Format(#[from] safetensors::SafeTensorError),
    /// A tensor is not of float32.
    #[error("tensor `{name}` is {found:?}: expected float32; convert the file")]
    Dtype {
        /// The tensor's name.
        name: String,
        /// The type of its elements.
        found: Dtype,
    },
    /// A tensor is of int8, where float32 is required.
    #[error(
        "tensor `{name}` is quantised to int8: expected float32, which training, export and all devices but flex need; use \
         the run folder that `infer quantise` read"
    )]
    Quantised {
        /// The tensor's name.
        name: String,
    },
    /// The module has a parameter that the file lacks.
    #[error("tensor `{0}` is missing: the file belongs to another configuration; use the one it was trained with")]
    Missing(String),
    /// The file has a tensor that the module lacks.
    #[error(
        "tensor `{0}` is not in this model: the file belongs to another configuration; use the one it was trained with"
    )]
    Unexpected(String),
    /// A tensor and its parameter differ in shape.
    #[error(
        "tensor `{name}` has shape {found:?}, the configuration expects {expected:?}; use the configuration and \
         vocabulary it was trained with"
    )]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape of the parameter.
        expected: Vec<usize>,
    },
    /// A value is NaN.
    #[error(
        "tensor `{0}` has a value that is not a number (NaN): the file is damaged, or the training that wrote it diverged; use \
         an earlier one, or train again with a lower rate"
    )]
    NotANumber(String),
    /// The file lacks the metadata that this program writes.
    #[error("the file has no `attend` entry in its metadata: it was not written by this program")]
    Foreign,
}

/// Checks that no value is NaN.
///
/// # Errors
/// The first tensor with one.
pub fn check_numbers(tensors: &[NamedTensor]) -> Result<(), WeightsError> {
    match tensors.iter().find(|tensor| tensor.values.iter().any(|value| value.is_nan())) {
        Some(tensor) => Err(WeightsError::NotANumber(tensor.name.clone())),
        None => Ok(()),
    }
}

/// All weights of a module, in the order of its fields.
pub fn collect<M: Module>(module: &M) -> Vec<NamedTensor> {
    let mut visitor = Collect { gradients: None, tensors: Vec::new() };
    for_each_parameter(module, &mut visitor);
    visitor.tensors
}

/// All gradients of a module's weights, by the weights' names; skips weights without a gradient.
pub fn collect_gradients<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<NamedTensor> {
    let mut visitor = Collect { gradients: Some(gradients), tensors: Vec::new() };
    for_each_parameter(module, &mut visitor);
    visitor.tensors
}

/// Replaces every weight by the result of `value` for its name and shape (PyTorch's layout).
///
/// The ids of the parameters are numbered from one in field order, so that two runs number them equally.
///
/// # Panics
/// If `value` returns another number of elements than the shape holds.
pub fn replace<M: Module>(module: M, value: impl FnMut(&str, &[usize]) -> Vec<f32>) -> M {
    map_parameters(module, &mut Replace { value, next_id: 0 })
}

/// The weights as a safetensors file whose metadata is the single key `attend`, so that equal weights are equal bytes.
///
/// # Errors
/// A tensor whose number of elements does not match its shape.
pub fn to_safetensors(tensors: &[NamedTensor], attend: &str) -> Result<Vec<u8>, WeightsError> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|t| t.values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(t, bytes)| Ok((t.name.as_str(), TensorView::new(Dtype::F32, t.shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let metadata = HashMap::from([("attend".to_string(), attend.to_string())]);
    Ok(safetensors::serialize(views, Some(metadata))?)
}

/// The tensors of a safetensors file in the order of their names, and its `attend` metadata, if any.
///
/// # Errors
/// Damaged bytes, or a tensor that is not float32, the first by name.
pub fn from_safetensors(bytes: &[u8]) -> Result<(Vec<NamedTensor>, Option<String>), WeightsError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let attend = header.metadata().as_ref().and_then(|metadata| metadata.get("attend").cloned());
    let mut tensors = Vec::new();
    let mut views = SafeTensors::deserialize(bytes)?.tensors();
    views.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, view) in views {
        require_float32(&name, view.dtype())?;
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        tensors.push(NamedTensor { name, shape: view.shape().to_vec(), values });
    }
    Ok((tensors, attend))
}

/// Rejects any other type of elements.
pub(crate) fn require_float32(name: &str, found: Dtype) -> Result<(), WeightsError> {
    let name = name.to_string();
    if found == Dtype::F32 {
        return Ok(());
    }
    Err(if found == Dtype::I8 { WeightsError::Quantised { name } } else { WeightsError::Dtype { name, found } })
}

/// Loads tensors into a module. Each weight must be among them with exactly its shape, and nothing else.
///
/// # Errors
/// The first tensor that is missing, superfluous or of another shape.
pub fn load<M: Module>(module: M, tensors: Vec<NamedTensor>) -> Result<M, WeightsError> {
    let mut given: BTreeMap<String, NamedTensor> = tensors.into_iter().map(|t| (t.name.clone(), t)).collect();
    for expected in shapes(&module) {
        let Some(found) = given.get(&expected.0) else { return Err(WeightsError::Missing(expected.0)) };
        if found.shape != expected.1 {
            let found = found.shape.clone();
            return Err(WeightsError::Shape { name: expected.0, found, expected: expected.1 });
        }
    }
    let loaded = replace(module, |name, _| given.remove(name).map(|t| t.values).unwrap_or_default());
    match given.into_keys().next() {
        Some(extra) => Err(WeightsError::Unexpected(extra)),
        None => Ok(loaded),
    }
}

/// Names and shapes (PyTorch's layout) of all weights, in field order.
pub fn shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    struct Shapes(Vec<(String, Vec<usize>)>);
    impl ParameterVisitor for Shapes {
        fn visit<const D: usize>(&mut self, path: &ParameterPath, parameter: &Param<Tensor<D>>) {
            let mut shape = parameter.lazy_shape().to_vec();
            if path.is_linear_weight() {
                shape.reverse();
            }
            self.0.push((path.name(), shape));
        }
    }
    let mut visitor = Shapes(Vec::new());
    for_each_parameter(module, &mut visitor);
    visitor.0
}

struct Collect<'a> {
    gradients: Option<&'a GradientsParams>,
    tensors: Vec<NamedTensor>,
}

impl ParameterVisitor for Collect<'_> {
    fn visit<const D: usize>(&mut self, path: &ParameterPath, parameter: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            None => parameter.val(),
            Some(gradients) => match gradients.get::<D>(parameter.id) {
                Some(gradient) => gradient,
                None => return,
            },
        };
        let tensor = if path.is_linear_weight() { tensor.transpose() } else { tensor };
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().iter::<f32>().collect();
        self.tensors.push(NamedTensor { name: path.name(), shape, values });
    }
}

struct Replace<F> {
    value: F,
    next_id: u64,
}

impl<F: FnMut(&str, &[usize]) -> Vec<f32>> ParameterMapper for Replace<F> {
    fn map<const D: usize>(&mut self, path: &ParameterPath, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, old, mapper) = parameter.consume();
        let transposed = path.is_linear_weight();
        let mut shape = old.dims();
        if transposed {
            shape.reverse();
        }
        let values = (self.value)(&path.name(), &shape);
        let new = Tensor::<D>::from_data(TensorData::new(values, shape), &old.device());
        let new = if transposed { contiguous(new.transpose()) } else { new };
        let new = new.set_require_grad(old.is_require_grad());
        self.next_id += 1;
        Param::from_mapped_value(ParamId::from(self.next_id), new, mapper)
    }
}

/// Copies a transposed view, so that a loaded weight has the memory layout, and the rounding, of a trained one.
fn contiguous<const D: usize>(view: Tensor<D>) -> Tensor<D> {
    let device = view.device();
    Tensor::from_data(view.into_data(), &device)
}
