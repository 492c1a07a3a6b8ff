//! Search, engines and scoring against slow definitions.

mod beam;
mod engine;
mod families;
mod precision;
