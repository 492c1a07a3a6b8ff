//! The reference of configuration keys.

mod configuration_reference;
mod rust_source;
