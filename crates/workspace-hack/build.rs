//! Empty: cargo resolves the features of build dependencies only for a crate with a build script.

fn main() {}
