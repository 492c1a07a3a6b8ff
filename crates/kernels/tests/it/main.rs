//! Fused operations against their portable definitions and against finite differences.

mod finite_differences;
mod not_a_number;
#[macro_use]
mod oracle;
mod attention;
mod losses;
mod optimizer;
