//! What is drawn: pieces of the screen that stand alone.

pub mod highlight;
pub mod markdown;
pub mod spark;
