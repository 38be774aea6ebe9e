//! The vocabulary: pure data that every other module speaks.
//!
//! Nothing here does I/O, reads a clock or knows of a provider. What a chat is, what a piece of an answer is,
//! what can go wrong and what that means, and what one sees of the pool at one moment.

mod alert;
mod answer;
mod board;
mod chunk;
mod clean;
mod command;
mod conversation;
mod document;
mod error;
mod figures;
mod ids;
mod loaded;
mod log;
mod message;
mod metrics;
mod request;
mod response;
mod sample;
mod scaling;
pub mod trace;
mod usage;

pub use alert::{AlertChange, AlertState, AlertView, Severity};
pub use answer::Answer;
pub use board::{
    Board, BreakerView, BudgetView, DeckEvent, InstanceState, InstanceView, QueueView, RetryView,
    RouteView, Series, SeriesBucket,
};
pub use chunk::{
    ChatStream, Chunk, FinishReason, Frames, RateLimits, ResponseHead, Started, ToolCallDelta,
};
pub use clean::{clean, clean_line, shorten};
pub use command::{Changed, Command, LimitKind, SetWhose};
pub use conversation::{
    Change, Conversation, ConversationId, Facts, Found, Hit, KeptError, KeptMessage, MessageId,
    MessageState, Page, Piece, Summary, title_of,
};
#[cfg(feature = "store")]
pub(crate) use conversation::{attempts_from_json, attempts_to_json};
pub use document::InstanceDocument;
pub use error::{Attempt, Error, ErrorKind, Health, Outcome};
pub use figures::{AttemptFigures, Distribution, Figures, Measure, OTHER_MODEL, RequestFigures};
pub use ids::{InstanceName, ProviderType, RequestId, RouteName};
pub use loaded::Loaded;
pub use log::{LogLevel, LogLine, LogSource};
pub use message::{Content, Message, Part, Role, ToolArguments, ToolCall};
pub use metrics::{ErrorNote, Failure, FailureGroup, Failures, LlmMetrics, Percentiles, Scope};
pub use request::{ChatRequest, Endpoint, Priority, RawBody, Target};
pub use response::LlmResponse;
pub use sample::Sample;
pub use scaling::{ScalingStep, ScalingView};
pub use usage::Usage;
