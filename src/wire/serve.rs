//! The other direction: what a server that speaks these protocols needs. No I/O here either.
//!
//! A request body becomes a [`ChatRequest`](crate::base::ChatRequest), the pieces of an answer become frames or one
//! document, and an error gets the body and the status that clients of the protocol know.

mod ask;
mod encoder;
mod error;
mod events;
mod fields;
mod front;
mod lines;
mod request;
mod say;
mod suits;

pub use encoder::Encoder;
pub use error::{error_body, error_status};
pub use front::Front;
pub use request::decode_request;
pub use say::{About, Speaker};
pub use suits::unsuited;
