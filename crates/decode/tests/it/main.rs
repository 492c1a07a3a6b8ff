//! Search, engines and scoring against slow definitions.

mod beam;
mod engine;
mod ensemble;
mod families;
mod precision;
mod ranked_by_the_engine;
mod steps;
mod two_directions;
