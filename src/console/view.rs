//! What is drawn: pieces of the screen that stand alone.

pub mod spark;
