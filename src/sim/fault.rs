//! Everything that can be wrong with a provider, by name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One way to fail. Errors of a status come in the body shape of the instance's provider type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 500 with an error body.
    ServerError,
    /// 502 with a proxy's HTML page.
    BadGateway,
    /// 503, overloaded.
    Unavailable,
    /// 529, overloaded.
    Overloaded,
    /// 401, as if the key were wrong.
    WrongKey,
    /// 403, the key may not use this model.
    Forbidden,
    /// 404, as if the model were gone.
    UnknownModel,
    /// 429, money or plan used up.
    NoQuota,
    /// 429, with or without a wait.
    RateLimited {
        /// What `retry-after` says; `None` leaves the header out.
        #[serde(default, with = "humantime_serde")]
        retry_after: Option<Duration>,
    },
    /// 400, moderation refused the prompt.
    ContentFilter,
    /// 400, the prompt does not fit.
    ContextLength,
    /// A Zhipu business code with its usual status; other types answer 500 and mention the code.
    Business {
        /// The code, such as 1305.
        code: u16,
    },
    /// Takes the request and never answers.
    HangBeforeHeaders,
    /// Answers 200 and sends keep-alive comments but never a token (Ollama: headers and nothing more).
    HangBeforeToken,
    /// Stops in the middle of the answer and keeps the connection open.
    HangMidStream,
    /// Closes the connection in the middle of the answer (FIN).
    CutMidStream,
    /// Resets the connection in the middle of the answer (RST).
    ResetMidStream,
    /// Ends the body properly in the middle of the answer: no finish reason, no terminal event.
    Truncated,
    /// Sends an error inside the stream, after the first pieces, and ends the body.
    ErrorMidStream,
    /// Moderation stops the answer in the middle, as a finish reason.
    FilteredMidStream,
    /// Sends something that is not JSON in the middle of the answer.
    Garbage,
    /// Sends bytes that are not UTF-8 inside a piece of text, then goes on properly.
    BadUtf8,
    /// Sends one line of this many bytes in the middle of the answer, then goes on.
    HugeLine {
        /// Its length.
        bytes: usize,
    },
    /// Never stops answering.
    Endless,
    /// Sends the body one byte every 50 ms.
    Trickle,
    /// Closes the connection without a response.
    Close,
    /// The port is closed and every connection broken.
    Refuse,
    /// 200 with a web page.
    HtmlOk,
    /// Answers a request for a stream with one JSON body.
    WholeForStream,
}

impl Fault {
    /// Every fault, with usual figures where it has some.
    pub const ALL: [Self; 29] = [
        Self::ServerError,
        Self::BadGateway,
        Self::Unavailable,
        Self::Overloaded,
        Self::WrongKey,
        Self::Forbidden,
        Self::UnknownModel,
        Self::NoQuota,
        Self::RateLimited {
            retry_after: Some(Duration::from_secs(2)),
        },
        Self::ContentFilter,
        Self::ContextLength,
        Self::Business { code: 1305 },
        Self::HangBeforeHeaders,
        Self::HangBeforeToken,
        Self::HangMidStream,
        Self::CutMidStream,
        Self::ResetMidStream,
        Self::Truncated,
        Self::ErrorMidStream,
        Self::FilteredMidStream,
        Self::Garbage,
        Self::BadUtf8,
        Self::HugeLine { bytes: 10 << 20 },
        Self::Endless,
        Self::Trickle,
        Self::Close,
        Self::Refuse,
        Self::HtmlOk,
        Self::WholeForStream,
    ];

    /// Returns its name, as in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerError => "server_error",
            Self::BadGateway => "bad_gateway",
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::WrongKey => "wrong_key",
            Self::Forbidden => "forbidden",
            Self::UnknownModel => "unknown_model",
            Self::NoQuota => "no_quota",
            Self::RateLimited { .. } => "rate_limited",
            Self::ContentFilter => "content_filter",
            Self::ContextLength => "context_length",
            Self::Business { .. } => "business",
            Self::HangBeforeHeaders => "hang_before_headers",
            Self::HangBeforeToken => "hang_before_token",
            Self::HangMidStream => "hang_mid_stream",
            Self::CutMidStream => "cut_mid_stream",
            Self::ResetMidStream => "reset_mid_stream",
            Self::Truncated => "truncated",
            Self::ErrorMidStream => "error_mid_stream",
            Self::FilteredMidStream => "filtered_mid_stream",
            Self::Garbage => "garbage",
            Self::BadUtf8 => "bad_utf8",
            Self::HugeLine { .. } => "huge_line",
            Self::Endless => "endless",
            Self::Trickle => "trickle",
            Self::Close => "close",
            Self::Refuse => "refuse",
            Self::HtmlOk => "html_ok",
            Self::WholeForStream => "whole_for_stream",
        }
    }
}
