//! Weights by name: reading, replacing, and the safetensors file.
//!
//! Names are the path of fields (`decoder.layers.0.cross_attention.query.weight`), and matrices have PyTorch's layout:
//! a linear layer's weight is `[out, in]`, whatever burn keeps in memory.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// One tensor by name, in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Why a weights file does not fit.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("not a safetensors file ({0}); it is damaged or of another kind: restore it or train again")]
    Format(#[from] safetensors::SafeTensorError),
    #[error("tensor `{name}` is {found:?}: expected float32; convert the file")]
    Dtype { name: String, found: Dtype },
    #[error("tensor `{0}` is missing: the file belongs to another configuration; use the one it was trained with")]
    Missing(String),
    #[error(
        "tensor `{0}` has no place in this model: the file belongs to another configuration; use the one it was trained with"
    )]
    Unexpected(String),
    #[error(
        "tensor `{name}` has shape {found:?}, the configuration expects {expected:?}; use the configuration and \
         vocabulary it was trained with"
    )]
    Shape { name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("the file has no `attend` entry in its metadata: it was not written by this program")]
    Foreign,
}

/// All weights of a module, in the order of its fields.
pub fn collect<M: Module>(module: &M) -> Vec<NamedTensor> {
    let mut visitor = Collect { path: Path::default(), gradients: None, found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

/// All gradients of a module's weights, by the same names; weights without a gradient are left out.
pub fn collect_gradients<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<NamedTensor> {
    let mut visitor = Collect { path: Path::default(), gradients: Some(gradients), found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

/// Replaces every weight by what `value` returns for its name and shape (PyTorch's layout), numbering the parameters'
/// ids from one in field order, so that two runs number them equally.
///
/// # Panics
/// When `value` returns another count of elements than the shape holds.
pub fn replace<M: Module>(module: M, value: impl FnMut(&str, &[usize]) -> Vec<f32>) -> M {
    module.map(&mut Replace { path: Path::default(), value, next_id: 0 })
}

/// The weights as a safetensors file whose metadata is the single key `attend`, so that equal weights are equal bytes.
///
/// # Errors
/// Only what the format itself refuses.
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

/// The tensors of a safetensors file and its `attend` metadata, if any.
///
/// # Errors
/// Damaged bytes, or tensors that are not float32.
pub fn from_safetensors(bytes: &[u8]) -> Result<(Vec<NamedTensor>, Option<String>), WeightsError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let attend = header.metadata().as_ref().and_then(|metadata| metadata.get("attend").cloned());
    let mut tensors = Vec::new();
    for (name, view) in SafeTensors::deserialize(bytes)?.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(WeightsError::Dtype { name: name.to_string(), found: view.dtype() });
        }
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        tensors.push(NamedTensor { name: name.to_string(), shape: view.shape().to_vec(), values });
    }
    Ok((tensors, attend))
}

/// Puts tensors into a module: each weight must be there with its very shape, and nothing else.
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
    struct Shapes(Path, Vec<(String, Vec<usize>)>);
    impl ModuleVisitor for Shapes {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let mut shape = param.lazy_shape().to_vec();
            if self.0.is_linear_weight() {
                shape.reverse();
            }
            self.1.push((self.0.name(), shape));
        }
    }
    let mut visitor = Shapes(Path::default(), Vec::new());
    module.visit(&mut visitor);
    visitor.1
}

/// The fields from a module down to the current one, for visitors and mappers that need a parameter's name.
#[derive(Clone, Debug, Default)]
pub struct Path(Vec<(String, bool)>);

impl Path {
    /// Call from `enter_module`.
    pub fn enter(&mut self, name: &str, container: &str) {
        self.0.push((name.to_string(), container == "Struct:Linear"));
    }

    /// Call from `exit_module`.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The current parameter's name.
    pub fn name(&self) -> String {
        self.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(".")
    }

    /// burn keeps a linear layer's weight as `[in, out]`.
    fn is_linear_weight(&self) -> bool {
        matches!(self.0.last(), Some((name, true)) if name == "weight")
    }
}

struct Collect<'a> {
    path: Path,
    gradients: Option<&'a GradientsParams>,
    found: Vec<NamedTensor>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            None => param.val(),
            Some(gradients) => match gradients.get::<D>(param.id) {
                Some(gradient) => gradient,
                None => return,
            },
        };
        let tensor = if self.path.is_linear_weight() { tensor.transpose() } else { tensor };
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().iter::<f32>().collect();
        self.found.push(NamedTensor { name: self.path.name(), shape, values });
    }
}

struct Replace<F> {
    path: Path,
    value: F,
    next_id: u64,
}

impl<F: FnMut(&str, &[usize]) -> Vec<f32>> ModuleMapper for Replace<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (_, old, mapper) = param.consume();
        let transposed = self.path.is_linear_weight();
        let mut shape = old.dims();
        if transposed {
            shape.reverse();
        }
        let values = (self.value)(&self.path.name(), &shape);
        let new = Tensor::<D>::from_data(TensorData::new(values, shape), &old.device());
        let new = if transposed { contiguous(new.transpose()) } else { new };
        let new = new.set_require_grad(old.is_require_grad());
        self.next_id += 1;
        Param::from_mapped_value(ParamId::from(self.next_id), new, mapper)
    }
}

/// Copies a transposed view, so that a loaded weight lies in memory as a trained one does and rounds equally.
fn contiguous<const D: usize>(view: Tensor<D>) -> Tensor<D> {
    let device = view.device();
    Tensor::from_data(view.into_data(), &device)
}
