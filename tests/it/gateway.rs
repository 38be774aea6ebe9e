//! The gateway over simulated instances: real clients' bytes, real sockets on both sides.

mod basics;
mod callers;
mod edges;
mod faults;
mod fronts;
mod hostile;
mod load;
mod rig;
mod upstream;
