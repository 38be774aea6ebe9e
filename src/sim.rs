//! The embedded pool: a real loopback HTTP server that speaks all provider types.
