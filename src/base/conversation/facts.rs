//! How an answer came about.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::millis;
use crate::base::{
    Attempt, Error, ErrorKind, FinishReason, InstanceName, LlmResponse, Outcome, ProviderType,
    RequestId, Usage,
};

/// Everything kept of an answer beside its words. Durations are kept to the microsecond.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The request's number in the run of the program that made it.
    pub request_id: Option<RequestId>,
    /// The instance that answered.
    pub instance: Option<InstanceName>,
    /// Its provider type.
    pub provider_type: Option<ProviderType>,
    /// The model that was asked.
    pub model: Option<String>,
    /// Time spent waiting for a permit.
    #[serde(rename = "queued_ms", with = "millis")]
    pub queued: Duration,
    /// From the call to the first token.
    #[serde(rename = "time_to_first_token_ms", with = "millis::option")]
    pub time_to_first_token: Option<Duration>,
    /// From the call to the end.
    #[serde(rename = "total_ms", with = "millis")]
    pub total_time: Duration,
    /// Token counts.
    pub usage: Option<Usage>,
    /// What it cost in US dollars.
    #[serde(deserialize_with = "exact")]
    pub cost: Option<f64>,
    /// The server's own timings.
    pub timings: Option<Value>,
    /// Why it ended.
    pub finish_reason: Option<FinishReason>,
    /// The server's own word for that.
    pub finish_raw: Option<String>,
    /// The refusal, empty when there was none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refusal: String,
    /// Every attempt in order.
    #[serde(with = "attempts")]
    pub attempts: Vec<Attempt>,
    /// What ended it, when an error did.
    pub error: Option<KeptError>,
    /// Fields of the answer that nobody thought of.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// An error that ended an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptError {
    /// Its kind.
    pub kind: ErrorKind,
    /// What happened.
    pub message: String,
    /// The instance that gave it.
    #[serde(default)]
    pub instance: Option<InstanceName>,
    /// The provider's own code.
    #[serde(default)]
    pub code: Option<String>,
    /// The HTTP status.
    #[serde(default)]
    pub status: Option<u16>,
    /// What a person can do about it.
    #[serde(default)]
    pub hint: String,
}

impl From<&Error> for KeptError {
    fn from(error: &Error) -> Self {
        Self {
            kind: error.kind(),
            message: error.message().to_owned(),
            instance: error.instance().cloned(),
            code: error.code().map(str::to_owned),
            status: error.status(),
            hint: error.hint().to_owned(),
        }
    }
}

impl From<&KeptError> for Error {
    fn from(kept: &KeptError) -> Self {
        let mut error = Self::new(kept.kind, &kept.message);
        if let Some(instance) = &kept.instance {
            error = error.with_instance(instance.clone());
        }
        if let Some(code) = &kept.code {
            error = error.with_code(code);
        }
        if let Some(status) = kept.status {
            error = error.with_status(status);
        }
        if !kept.hint.is_empty() {
            error = error.with_hint(crate::base::clean_line(&kept.hint));
        }
        error
    }
}

impl Facts {
    /// Takes what an answer tells of itself, and the error that ended it.
    pub fn of(answer: &LlmResponse, error: Option<&Error>) -> Self {
        let attempts = match error {
            Some(error) if answer.attempts.is_empty() => error.attempts(),
            Some(_) | None => &answer.attempts,
        };
        Self {
            request_id: answer.request_id,
            instance: answer.instance.clone(),
            provider_type: answer.provider_type,
            model: answer.model.clone(),
            queued: to_micros(answer.queued),
            time_to_first_token: answer.time_to_first_token.map(to_micros),
            total_time: to_micros(answer.total_time),
            usage: answer.usage,
            cost: answer.cost,
            timings: answer.timings.clone(),
            finish_reason: answer.finish_reason,
            finish_raw: answer.finish_raw.clone(),
            refusal: answer.refusal.clone(),
            attempts: attempts.to_vec(),
            error: error.map(KeptError::from),
            extra: answer.extra.clone(),
        }
    }

    /// Puts the answer together again, around its words.
    pub fn to_response(&self, message: &crate::base::Message) -> LlmResponse {
        LlmResponse {
            text: message.content.to_text(),
            reasoning: message.reasoning.clone().unwrap_or_default(),
            refusal: self.refusal.clone(),
            tool_calls: message.tool_calls.clone(),
            finish_reason: self.finish_reason,
            finish_raw: self.finish_raw.clone(),
            usage: self.usage,
            cost: self.cost,
            timings: self.timings.clone(),
            request_id: self.request_id,
            instance: self.instance.clone(),
            provider_type: self.provider_type,
            model: self.model.clone(),
            queued: self.queued,
            time_to_first_token: self.time_to_first_token,
            total_time: self.total_time,
            attempts: self.attempts.clone(),
            extra: self.extra.clone(),
        }
    }
}

fn to_micros(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// Reads a number to its last digit, which serde_json's own reader does not promise.
fn exact<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let raw = Option::<Box<RawValue>>::deserialize(from)?;
    raw.filter(|raw| raw.get() != "null")
        .map(|raw| raw.get().parse().map_err(serde::de::Error::custom))
        .transpose()
}

/// Attempts in the words that all JSON of this program has for them.
mod attempts {
    use super::{
        Attempt, Deserialize, Deserializer, Duration, ErrorKind, InstanceName, Outcome, Serialize,
        Serializer, millis,
    };

    #[derive(Serialize, Deserialize)]
    struct Kept {
        instance: InstanceName,
        model: String,
        outcome: Word,
        #[serde(default)]
        kind: Option<ErrorKind>,
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        status: Option<u16>,
        #[serde(default, rename = "started_after_ms", with = "millis")]
        started_after: Duration,
        #[serde(default, rename = "queued_ms", with = "millis")]
        queued: Duration,
        #[serde(default, rename = "headers_ms", with = "millis::option")]
        headers: Option<Duration>,
        #[serde(default, rename = "first_token_ms", with = "millis::option")]
        first_token: Option<Duration>,
        #[serde(default, rename = "total_ms", with = "millis")]
        total: Duration,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Success,
        Failure,
        Cancelled,
    }

    pub(super) fn serialize<S: Serializer>(list: &[Attempt], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|attempt| {
            let (outcome, kind) = match attempt.outcome {
                Outcome::Success => (Word::Success, None),
                Outcome::Failure(kind) => (Word::Failure, Some(kind)),
                Outcome::Cancelled => (Word::Cancelled, None),
            };
            Kept {
                instance: attempt.instance.clone(),
                model: attempt.model.clone(),
                outcome,
                kind,
                message: attempt.message.clone(),
                status: attempt.status,
                started_after: attempt.started_after,
                queued: attempt.queued,
                headers: attempt.headers,
                first_token: attempt.first_token,
                total: attempt.total,
            }
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Attempt>, D::Error> {
        let list = Vec::<Kept>::deserialize(from)?;
        let attempts = list.into_iter().map(|kept| Attempt {
            instance: kept.instance,
            model: kept.model,
            outcome: match kept.outcome {
                Word::Success => Outcome::Success,
                Word::Failure => Outcome::Failure(kept.kind.unwrap_or(ErrorKind::Server)),
                Word::Cancelled => Outcome::Cancelled,
            },
            message: kept.message,
            status: kept.status,
            started_after: kept.started_after,
            queued: kept.queued,
            headers: kept.headers,
            first_token: kept.first_token,
            total: kept.total,
        });
        Ok(attempts.collect())
    }
}

/// Writes and reads attempts alone, for a log of requests.
///
/// # Errors
/// When the JSON is not a list of attempts.
#[cfg(feature = "store")]
pub(crate) fn attempts_from_json(json: &str) -> Result<Vec<Attempt>, serde_json::Error> {
    attempts::deserialize(&mut serde_json::Deserializer::from_str(json))
}

/// Writes attempts as JSON.
///
/// # Errors
/// Does not happen: names and numbers are always JSON.
#[cfg(feature = "store")]
pub(crate) fn attempts_to_json(list: &[Attempt]) -> Result<String, serde_json::Error> {
    let mut out = Vec::new();
    attempts::serialize(list, &mut serde_json::Serializer::new(&mut out))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
