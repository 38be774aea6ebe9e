//! The other direction: what a server that speaks these protocols needs.
