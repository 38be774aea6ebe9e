//! The driver: a chat made reliable and watched.
