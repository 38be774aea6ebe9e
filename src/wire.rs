//! Formats on the wire, both directions, no I/O.
