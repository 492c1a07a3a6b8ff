//! Walks over the parameters of a module, with each parameter's name.
//!
//! A name is the path of fields, such as `decoder.layers.0.cross_attention.query.weight`.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// An operation on each parameter of a module.
pub trait ParameterVisitor {
    /// Receives one parameter.
    fn visit<const D: usize>(&mut self, path: &ParameterPath, parameter: &Param<Tensor<D>>);
}

/// A replacement of each parameter of a module.
pub trait ParameterMapper {
    /// Returns the parameter that takes the place of `parameter`.
    fn map<const D: usize>(&mut self, path: &ParameterPath, parameter: Param<Tensor<D>>) -> Param<Tensor<D>>;
}

/// Calls the visitor for each parameter, in the order of fields.
pub fn for_each_parameter<M: Module>(module: &M, visitor: &mut impl ParameterVisitor) {
    module.visit(&mut Walk { path: ParameterPath::default(), inner: visitor });
}

/// Maps each parameter, in the order of fields.
pub fn map_parameters<M: Module>(module: M, mapper: &mut impl ParameterMapper) -> M {
    module.map(&mut Walk { path: ParameterPath::default(), inner: mapper })
}

/// Stops the derivatives of every parameter whose name is one of `names` or begins with one of them and a dot. Such a
/// parameter has no gradient.
///
/// # Errors
/// The first of `names` that matches no parameter.
pub fn freeze<M: Module>(module: M, names: &[String]) -> Result<M, String> {
    let mut freeze = Freeze { names, matched: vec![false; names.len()] };
    let module = map_parameters(module, &mut freeze);
    match freeze.matched.iter().position(|matched| !matched) {
        Some(place) => Err(names[place].clone()),
        None => Ok(module),
    }
}

/// Returns the names of all parameters that are not [frozen](freeze).
pub fn trainable<M: Module>(module: &M) -> Vec<String> {
    struct Trainable(Vec<String>);
    impl ParameterVisitor for Trainable {
        fn visit<const D: usize>(&mut self, path: &ParameterPath, parameter: &Param<Tensor<D>>) {
            if parameter.is_require_grad() {
                self.0.push(path.name());
            }
        }
    }
    let mut visitor = Trainable(Vec::new());
    for_each_parameter(module, &mut visitor);
    visitor.0
}

struct Freeze<'a> {
    names: &'a [String],
    matched: Vec<bool>,
}

impl ParameterMapper for Freeze<'_> {
    fn map<const D: usize>(&mut self, path: &ParameterPath, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = path.name();
        let begins =
            |with: &String| name.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let mut frozen = false;
        for (with, matched) in self.names.iter().zip(&mut self.matched) {
            if begins(with) {
                (frozen, *matched) = (true, true);
            }
        }
        if frozen { parameter.set_require_grad(false) } else { parameter }
    }
}

/// The fields from a module down to one of its parameters.
#[derive(Clone, Debug, Default)]
pub struct ParameterPath {
    fields: Vec<Field>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    in_linear: bool,
}

impl ParameterPath {
    /// The parameter's name, its fields joined by dots.
    pub fn name(&self) -> String {
        self.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(".")
    }

    /// Whether this is the matrix of a linear layer, which burn keeps as `[in, out]`.
    pub fn is_linear_weight(&self) -> bool {
        self.fields.last().is_some_and(|field| field.in_linear && field.name == "weight")
    }

    fn enter(&mut self, name: &str, container: &str) {
        self.fields.push(Field { name: name.to_string(), in_linear: container == "Struct:Linear" });
    }

    fn exit(&mut self) {
        self.fields.pop();
    }
}

/// Keeps the path while burn walks.
struct Walk<'a, T> {
    path: ParameterPath,
    inner: &'a mut T,
}

impl<T: ParameterVisitor> ModuleVisitor for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.inner.visit(&self.path, parameter);
    }
}

impl<T: ParameterMapper> ModuleMapper for Walk<'_, T> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.inner.map(&self.path, parameter)
    }
}
