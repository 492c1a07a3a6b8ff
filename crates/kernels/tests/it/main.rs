//! Fused operations against their portable definitions and against finite differences.

mod finite_differences;
mod losses;
mod not_a_number;
mod oracle;
