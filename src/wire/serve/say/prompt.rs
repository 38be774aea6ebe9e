//! Answers to one prompt: OpenAI's old completions, and Ollama's generate.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::About;
use crate::base::{Answer, Chunk};
use crate::wire::serve::Front;
use crate::wire::serve::events::{KEEP_ALIVE, finish_word, usage_fields};
use crate::wire::serve::lines::{created_at, end};

/// An answer that is mere text.
pub(super) struct Prompt {
    front: Front,
    about: About,
    /// What must wait for the end.
    kept: Answer,
}

impl Prompt {
    pub(super) fn new(front: Front, about: About) -> Self {
        Self {
            front,
            about,
            kept: Answer::default(),
        }
    }

    pub(super) fn chunk(&mut self, chunk: &Chunk) -> Option<Bytes> {
        match chunk {
            Chunk::Text(text) | Chunk::Refusal(text) if self.about.streaming => {
                Some(self.piece(text, "").into())
            }
            Chunk::Reasoning(text) if self.about.streaming && self.front == Front::Generate => {
                Some(self.piece("", text).into())
            }
            Chunk::KeepAlive if self.about.streaming && self.front == Front::Completions => {
                Some(Bytes::from_static(KEEP_ALIVE))
            }
            Chunk::Done(_) => None,
            chunk => {
                self.kept.push(chunk);
                None
            }
        }
    }

    /// Gives a frame that says nothing.
    pub(super) fn keep_alive(&self) -> Bytes {
        match self.front {
            Front::Generate => self.piece("", "").into(),
            _ => Bytes::from_static(KEEP_ALIVE),
        }
    }

    fn piece(&self, text: &str, thinking: &str) -> String {
        if self.front == Front::Generate {
            let mut fields = self.line(text, false);
            if !thinking.is_empty() {
                fields.insert("thinking".to_owned(), thinking.into());
            }
            return format!("{}\n", Value::Object(fields));
        }
        format!("data: {}\n\n", self.completion(text, None))
    }

    pub(super) fn finish(&mut self) -> Bytes {
        let so_far = self.kept.so_far();
        let text = format!("{}{}", so_far.text, so_far.refusal);
        if self.front == Front::Generate {
            let mut fields = self.line(&text, true);
            if !so_far.reasoning.is_empty() && !self.about.streaming {
                fields.insert("thinking".to_owned(), so_far.reasoning.as_str().into());
            }
            fields.extend(end(so_far));
            return format!("{}\n", Value::Object(fields)).into();
        }
        let word = finish_word(so_far, false);
        let mut document = self.completion(&text, Some(&word));
        let usage = so_far.usage.as_ref().map(usage_fields);
        if !self.about.streaming {
            if let Some(usage) = usage {
                document["usage"] = usage;
            }
            return document.to_string().into();
        }
        let mut frames = format!("data: {document}\n\n");
        if let Some(usage) = usage.filter(|_| self.about.include_usage) {
            let mut last = self.completion("", None);
            last["choices"] = json!([]);
            last["usage"] = usage;
            frames = format!("{frames}data: {last}\n\n");
        }
        frames.push_str("data: [DONE]\n\n");
        frames.into()
    }

    fn line(&self, text: &str, done: bool) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("model".to_owned(), self.about.model.as_str().into());
        let created = created_at(self.about.created_unix);
        fields.insert("created_at".to_owned(), created.into());
        fields.insert("response".to_owned(), text.into());
        fields.insert("done".to_owned(), done.into());
        fields
    }

    fn completion(&self, text: &str, finish: Option<&str>) -> Value {
        json!({
            "id": self.about.id,
            "object": "text_completion",
            "created": self.about.created_unix,
            "model": self.about.model,
            "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}],
        })
    }
}
