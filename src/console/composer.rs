//! The input.
