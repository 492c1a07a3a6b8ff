//! The values of a pickle.

use std::fmt;
use std::rc::Rc;

/// The result of instructions. Nothing is executed: a call is only its description.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Rc<str>),
    Tuple(Rc<[Value]>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// `module.name`.
    Global(Rc<str>),
    /// A function's name with its arguments.
    Call(Rc<str>, Rc<[Value]>),
    /// A reference to data outside the pickle, such as a storage.
    Persistent(Rc<Value>),
}

impl Value {
    /// Returns a dictionary's value for a text key.
    pub fn entry(&self, key: &str) -> Option<&Value> {
        let Value::Dict(entries) = self else { return None };
        entries.iter().find(|(name, _)| matches!(name, Value::Text(name) if **name == *key)).map(|(_, value)| value)
    }
}

impl fmt::Display for Value {
    /// Writes a summary for messages: of containers only the length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => write!(f, "None"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Tuple(values) => write!(f, "a tuple of {}", values.len()),
            Value::List(values) => write!(f, "a list of {}", values.len()),
            Value::Dict(entries) => write!(f, "a dictionary of {}", entries.len()),
            Value::Global(name) | Value::Call(name, _) => write!(f, "{name}"),
            Value::Persistent(_) => write!(f, "a reference"),
        }
    }
}
