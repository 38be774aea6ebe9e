//! Config files and the environment, assembled into the settings that each module owns.
//!
//! Layers: defaults, then the file, then environment variables, then flags. Everything is read and checked before
//! anything starts; all that is wrong is told at once, each with its place, key, value, rule, and what would be right.
//! Which keys there are is asked of the settings types themselves (`probe`), so no list of keys is written here twice.

mod address;
mod around;
mod checks;
mod discover;
mod document;
mod entry;
mod env;
mod example;
mod findings;
mod instance;
mod key;
#[cfg(feature = "console")]
mod keys;
mod load;
mod models;
mod names;
mod overlay;
mod persona;
mod price;
mod print;
mod probe;
mod problem;
mod route;
mod rule;
mod table;

pub use around::look_around;
pub use discover::{Found, usual_ollama};
pub use entry::entry;
pub use env::Env;
pub use example::{EXAMPLE, init};
pub use instance::Instance;
pub use key::KeySource;
pub use load::{Config, Flags, load};
pub use models::fill as fill_models;
pub use persona::Persona;
pub use print::print;
pub use problem::{Place, Problem, Problems};
