//! The llmdeck program.
fn main() {}
