//! Search, engines and scoring against slow definitions.

mod beam;
mod engine;
mod ensemble;
mod families;
mod greedy;
mod precision;
mod steps;
mod two_directions;
