//! The terminal console.

pub mod clipboard;
pub mod composer;
pub mod term_env;
pub mod text;
pub mod theme;
pub mod view;
