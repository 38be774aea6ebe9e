//! What is asked: seeded words to a wanted length, no two alike from their first word on, so that no cache of prompts
//! answers for the model.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Plan;
use crate::base::{ChatRequest, Message};

/// Short common words, which are one token each in usual vocabularies.
const WORDS: [&str; 32] = [
    "time", "year", "day", "way", "man", "world", "life", "hand", "part", "place", "work", "week",
    "case", "point", "home", "water", "room", "area", "money", "story", "fact", "month", "lot",
    "right", "study", "book", "eye", "job", "word", "side", "kind", "head",
];
/// Tokens that the words around the text take, about.
const AROUND: u64 = 24;

/// Makes the request of this number; the same seed and number give the same one.
pub(super) fn request(plan: &Plan, number: u64) -> ChatRequest {
    let seed = plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number;
    let mut chance = StdRng::seed_from_u64(seed);
    let prompt = plan.prompt.draw(&mut chance);
    let output = plan.output.draw(&mut chance);
    let mut text = format!(
        "{:08x}. Go on with this list of words and do not stop:",
        chance.random::<u32>()
    );
    for _ in AROUND..prompt {
        text.push(' ');
        text.push_str(WORDS[chance.random_range(0..WORDS.len())]);
    }
    ChatRequest {
        messages: vec![Message::user(text)],
        max_tokens: Some(output),
        stream: true,
        ..plan.template.clone()
    }
}
