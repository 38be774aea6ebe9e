//! Stories: keys go in, scripted answers come back, and the screen is looked at. Time is paused.

mod alerts;
mod branches;
mod chat;
mod chinese;
mod compare;
mod fake;
mod find;
mod fuzz;
mod harness;
#[cfg(feature = "store")]
mod library;
mod life;
mod looks;
mod metrics;
mod moment;
mod pages;
mod palette;
mod pool;
mod screens;
