//! All integration tests, in one binary.

mod cli;
mod config;
mod driver;
mod faults;
mod layers;
mod support;
