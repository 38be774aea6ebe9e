//! The design document's `chatStream`: two callbacks, folded over the driver's stream.

use futures_util::StreamExt;

use crate::base::{Answer, Chunk, Error, LlmResponse};

use super::{ChatInput, LlmModelDriver};

/// See [`LlmModelDriver::chat_stream`].
pub(super) async fn chat_stream(
    driver: &LlmModelDriver,
    input: &ChatInput,
    mut realtime: impl FnMut(&str, &str, &str, bool) + Send,
    conversation_end: impl FnOnce(&str, &str, &str, &str) + Send,
) -> Result<LlmResponse, Error> {
    let (role, you) = (input.role_name.as_str(), input.you_name.as_str());
    let mut stream = driver.stream(input.to_request()?);
    let mut answer = Answer::default();
    let mut shown = false;
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => {
                if let Chunk::Text(text) = &piece {
                    shown = true;
                    realtime(role, you, text, false);
                }
                answer.push(&piece);
            }
            Err(error) => {
                if shown {
                    realtime(role, you, "", true);
                }
                return Err(error);
            }
        }
    }
    realtime(role, you, "", true);
    let response = answer.into_response();
    conversation_end(role, &response.text, you, &input.query);
    Ok(response)
}
