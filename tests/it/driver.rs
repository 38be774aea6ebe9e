//! The driver end to end over real sockets: what it counts is what the servers saw.
