//! All integration tests, in one binary.

mod cli;
mod config;
mod layers;
