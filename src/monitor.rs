//! What happened, counted and timed.
