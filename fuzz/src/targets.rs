//! One function for every place where bytes come in from outside. Each stops at the first thing that must not be.
//!
//! The fuzzers in `fuzz_targets` call them, and so does a test of the project, with recorded bodies and changed ones.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use llmdeck::base::trace::Trace;
use llmdeck::base::{Answer, Chunk, Error, clean, clean_line, shorten};
use llmdeck::config::{self, Env, Flags};
use llmdeck::console::text::{align_right, display_safe, pad, truncate, width, wrap};
use llmdeck::console::theme::Theme;
use llmdeck::console::view::markdown::Markdown;
use llmdeck::wire::serve::{About, Front, Speaker, unsuited};
use llmdeck::wire::{
    Decode, Quirks, Tap, anthropic_decoder, classify, decode_loaded, decode_models, decoder, embed,
    encode, rate_limits, responses_decoder,
};
use llmdeck::{ErrorKind, ProviderType};
use serde_json::Value;

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// The targets that need nothing but the library as everybody has it.
pub const TARGETS: [Target; 19] = [
    ("openai_stream", openai_stream),
    ("openai_whole", openai_whole),
    ("zhipu_stream", zhipu_stream),
    ("zhipu_whole", zhipu_whole),
    ("ollama_stream", ollama_stream),
    ("ollama_whole", ollama_whole),
    ("anthropic_stream", anthropic_stream),
    ("responses_stream", responses_stream),
    ("tap", tap),
    ("speak", speak),
    ("fronts", fronts),
    ("embed", embed_bodies),
    ("lists", lists),
    ("refusals", refusals),
    ("headers", headers),
    ("traceparent", traceparent),
    ("config", config_file),
    ("markdown", markdown),
    ("text", text),
];

/// Short, so that a fuzzer finds what happens at the limit.
const MAX_LINE: usize = 4 << 10;

/// What came out of a body: the folded answer, and how it ended.
#[derive(Debug, PartialEq)]
struct Read {
    answer: llmdeck::LlmResponse,
    error: Option<(ErrorKind, Option<&'static str>, String)>,
}

fn read<'a>(mut decoder: Box<dyn Decode>, pieces: impl Iterator<Item = &'a [u8]>) -> Read {
    let mut chunks = Vec::new();
    let mut outcome = Ok(());
    for piece in pieces {
        outcome = decoder.feed(piece, &mut chunks);
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = decoder.finish(&mut chunks);
    }
    let mut answer = Answer::default();
    let mut finished = 0;
    for chunk in &chunks {
        finished += usize::from(matches!(chunk, Chunk::Finish { .. }));
        answer.push(chunk);
    }
    assert!(finished <= 1, "a finish reason is given once: {chunks:?}");
    assert!(
        outcome.is_err() || finished == 1,
        "a proper end has a reason"
    );
    Read {
        answer: answer.so_far().clone(),
        error: outcome
            .err()
            .map(|error| (error.kind(), error.detail(), plain(&error))),
    }
}

/// Returns an error's words; they must be fit for a terminal.
fn plain(error: &Error) -> String {
    let told = error.to_string();
    assert_plain(&told);
    told
}

fn assert_plain(text: &str) {
    let is_control = |c: char| c.is_control() && c != '\n' && c != '\t';
    assert!(
        !text.contains(is_control),
        "not fit for a terminal: {text:?}"
    );
}

/// Cuts bytes at places that their first byte chooses.
fn pieces(data: &[u8]) -> (&[u8], usize) {
    match data.split_first() {
        Some((size, rest)) => (rest, usize::from(*size).max(1)),
        None => (data, 1),
    }
}

/// No cut may change what is read.
fn decode(data: &[u8], new: impl Fn() -> Box<dyn Decode>) {
    let (body, size) = pieces(data);
    let whole = read(new(), std::iter::once(body));
    let cut = read(new(), body.chunks(size));
    assert_eq!(whole, cut);
}

/// A stream of OpenAI's.
pub fn openai_stream(data: &[u8]) {
    let kind = Some("text/event-stream").filter(|_| data.len().is_multiple_of(2));
    decode(data, || decoder(ProviderType::OpenAi, true, kind, MAX_LINE));
}

/// A whole answer of OpenAI's.
pub fn openai_whole(data: &[u8]) {
    let kind = Some("application/json");
    decode(data, || {
        decoder(
            ProviderType::OpenAi,
            data.len().is_multiple_of(2),
            kind,
            MAX_LINE,
        )
    });
}

/// A stream of Zhipu's.
pub fn zhipu_stream(data: &[u8]) {
    let kind = Some("text/event-stream").filter(|_| data.len().is_multiple_of(2));
    decode(data, || {
        decoder(ProviderType::ZhipuAi, true, kind, MAX_LINE)
    });
}

/// A whole answer of Zhipu's.
pub fn zhipu_whole(data: &[u8]) {
    let kind = Some("application/json");
    decode(data, || {
        decoder(
            ProviderType::ZhipuAi,
            data.len().is_multiple_of(2),
            kind,
            MAX_LINE,
        )
    });
}

/// A stream of Ollama's.
pub fn ollama_stream(data: &[u8]) {
    let kind = Some("application/x-ndjson").filter(|_| data.len().is_multiple_of(2));
    decode(data, || decoder(ProviderType::Ollama, true, kind, MAX_LINE));
}

/// A whole answer of Ollama's.
pub fn ollama_whole(data: &[u8]) {
    let kind = Some("text/html").filter(|_| data.len().is_multiple_of(2));
    decode(data, || {
        decoder(ProviderType::Ollama, false, kind, MAX_LINE)
    });
}

/// A stream of Anthropic's.
pub fn anthropic_stream(data: &[u8]) {
    decode(data, || anthropic_decoder(MAX_LINE));
}

/// A stream of OpenAI's Responses API.
pub fn responses_stream(data: &[u8]) {
    decode(data, || responses_decoder(MAX_LINE));
}

/// Frames that pass through: they are the upstream's bytes, in their order, however they came.
pub fn tap(data: &[u8]) {
    let (body, size) = pieces(data);
    let (provider_type, kind) = match body.len() % 3 {
        0 => (ProviderType::OpenAi, "text/event-stream"),
        1 => (ProviderType::Ollama, "application/x-ndjson"),
        _ => (ProviderType::ZhipuAi, "text/event-stream"),
    };
    let passed = |pieces: &mut dyn Iterator<Item = &[u8]>| {
        let mut tap = Tap::new(provider_type, true, Some(kind), MAX_LINE, false).unwrap();
        let mut chunks = Vec::new();
        let mut outcome = Ok(());
        for piece in pieces {
            outcome = tap.feed(Bytes::copy_from_slice(piece), &mut chunks);
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = tap.finish(&mut chunks);
        }
        let mut bytes = Vec::new();
        for chunk in &chunks {
            if let Chunk::Frames(frames) = chunk {
                bytes.extend_from_slice(&frames.bytes);
            }
        }
        (
            bytes,
            outcome.map_err(|error| (error.kind(), plain(&error))),
        )
    };
    let whole = passed(&mut std::iter::once(body));
    let cut = passed(&mut body.chunks(size));
    // Where a line is too long depends on how much of it is there.
    let is_too_long = |ended: &Result<(), (ErrorKind, String)>| {
        ended
            .as_ref()
            .is_err_and(|(_, told)| told.contains("more than"))
    };
    if !is_too_long(&whole.1) && !is_too_long(&cut.1) {
        assert_eq!(whole, cut);
    }
}

fn about(streaming: bool) -> About {
    About {
        id: "x-1".to_owned(),
        model: "m".to_owned(),
        created_unix: 1_795_400_000,
        streaming,
        include_usage: true,
    }
}

/// Whatever an upstream says, each front says something that its clients can read.
pub fn speak(data: &[u8]) {
    let (body, kind) = pieces(data);
    let mut reader = match kind % 4 {
        0 => decoder(
            ProviderType::OpenAi,
            true,
            Some("text/event-stream"),
            MAX_LINE,
        ),
        1 => decoder(
            ProviderType::Ollama,
            true,
            Some("application/x-ndjson"),
            MAX_LINE,
        ),
        2 => anthropic_decoder(MAX_LINE),
        _ => responses_decoder(MAX_LINE),
    };
    let mut chunks = Vec::new();
    let fed = reader.feed(body, &mut chunks);
    let ended = fed.and_then(|()| reader.finish(&mut chunks));
    for front in Front::ALL {
        for streaming in [true, false] {
            let mut speaker = Speaker::new(front, about(streaming));
            let mut said = Vec::new();
            for chunk in &chunks {
                said.extend(speaker.chunk(chunk).unwrap_or_default());
            }
            said.extend(match &ended {
                Ok(()) => speaker.finish(),
                Err(error) => speaker.error(error.kind(), error.message(), error.code()),
            });
            let said = std::str::from_utf8(&said).expect("UTF-8");
            let is_events = speaker.content_type() == "text/event-stream";
            if !streaming {
                serde_json::from_str::<Value>(said).expect("one document");
                continue;
            }
            for line in said.lines() {
                let document = if is_events {
                    match line.strip_prefix("data: ") {
                        Some("[DONE]") => continue,
                        Some(document) => document,
                        None => {
                            let is_known = line.is_empty()
                                || line.starts_with("event: ")
                                || line.starts_with(':');
                            assert!(is_known, "{front:?}: {line:?}");
                            continue;
                        }
                    }
                } else {
                    line
                };
                serde_json::from_str::<Value>(document).expect("a document in each frame");
            }
        }
    }
}

/// A request to the gateway, and what becomes of it for each type of instance.
pub fn fronts(data: &[u8]) {
    let (body, front) = pieces(data);
    let front = Front::ALL[front % Front::ALL.len()];
    let request = match front.decode(body) {
        Ok(request) => request,
        Err(error) => {
            plain(&error);
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            return;
        }
    };
    for provider_type in ProviderType::ALL {
        let told = unsuited(provider_type, &request);
        let mut asked = request.clone();
        asked.model = Some("m".to_owned());
        let sent = encode(provider_type, &asked, &Quirks::default()).to_string();
        if told.is_none() {
            let same = Front::ALL
                .into_iter()
                .find(|front| front.same() == Some(provider_type));
            let again = same.expect("a front of the type").decode(sent.as_bytes());
            assert!(
                again.is_ok(),
                "{front:?} onto {provider_type}: {sent}: {again:?}"
            );
        }
    }
}

/// Requests for embeddings, and their answers.
pub fn embed_bodies(data: &[u8]) {
    if let Ok(members) = embed::members(data) {
        for from in ProviderType::ALL {
            for to in ProviderType::ALL {
                // Refused is as good as translated.
                let _ = embed::translate_request(from, to, members.clone());
            }
        }
        embed::wants_base64(&members);
    }
    let (ollama, openai) = (ProviderType::Ollama, ProviderType::OpenAi);
    let _ = embed::read_answer(data);
    let _ = embed::translate_answer(ollama, openai, "m", data);
    let _ = embed::translate_answer(openai, ollama, "m", data);
    if let Some(packed) = embed::pack(data) {
        assert_eq!(embed::pack(packed.to_string().as_bytes()), None);
    }
}

/// Lists of models.
pub fn lists(data: &[u8]) {
    for provider_type in ProviderType::ALL {
        match decode_models(provider_type, data) {
            Ok(names) => names.iter().for_each(|name| {
                assert!(!name.contains(char::is_control) && !name.is_empty());
            }),
            Err(error) => drop(plain(&error)),
        }
    }
    for loaded in decode_loaded(data).unwrap_or_default() {
        assert!(!loaded.model.is_empty());
        assert_plain(&loaded.until);
    }
}

/// Answers that are no answers: a status, headers, a body.
pub fn refusals(data: &[u8]) {
    let (status, rest) = data.split_at(data.len().min(2));
    let status = status
        .iter()
        .fold(0_u16, |sum, byte| (sum << 8) | u16::from(*byte))
        % 1000;
    let mut parts = rest.splitn(4, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let header = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (retry_after, date) = (header(next()), header(next()));
    let (reset, body) = (header(next()), next());
    let headers = |name: &str| {
        let value = match name {
            "retry-after" | "retry-after-ms" => &retry_after,
            "date" => &date,
            name if name.starts_with("x-ratelimit") => &reset,
            _ => return None,
        };
        Some(value.clone()).filter(|value| !value.is_empty())
    };
    for provider_type in ProviderType::ALL {
        let error = classify(provider_type, status, &headers, body);
        plain(&error);
        assert_plain(error.hint());
        // Waits are added to moments.
        if let Some(wait) = error.retry_after() {
            assert!(wait <= Duration::from_secs(u64::MAX / 4), "{wait:?}");
        }
    }
}

/// Headers that tell of limits and waits.
pub fn headers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let limits = rate_limits(&|_| Some(text.to_string()));
    for reset in [limits.reset_requests, limits.reset_tokens] {
        assert!(reset.is_none_or(|reset| reset <= Duration::from_secs(u64::MAX / 4)));
    }
    refusals(&[b"\x01\xad", data, b"\n\n\n{}"].concat());
}

/// A `traceparent`: what goes on belongs to the trace that came.
pub fn traceparent(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(trace) = Trace::parse(&text) {
        let again = Trace::parse(&trace.traceparent(7)).expect("one of ours");
        assert_eq!(
            (again.id, again.flags, again.parent),
            (trace.id, trace.flags, Some(7))
        );
    }
}

thread_local! {
    static PLACE: RefCell<Option<PathBuf>> = const { RefCell::new(None) };
}

/// A config file: it is read, or every problem is told with its place.
pub fn config_file(data: &[u8]) {
    // Keys and certificates may stand in files of their own; a fuzzer is not to read any.
    if data.windows(5).any(|part| part == b"_file") {
        return;
    }
    let place = PLACE.with_borrow_mut(|place| {
        place
            .get_or_insert_with(|| {
                let shared = PathBuf::from("/dev/shm");
                let folder = if shared.is_dir() {
                    shared
                } else {
                    std::env::temp_dir()
                };
                let thread = format!("{:?}", std::thread::current().id());
                let number: String = thread.chars().filter(char::is_ascii_digit).collect();
                folder.join(format!("llmdeck-fuzz-{}-{number}.toml", std::process::id()))
            })
            .clone()
    });
    std::fs::write(&place, data).expect("a place to write");
    let flags = Flags {
        config: Some(place.clone()),
        ..Flags::default()
    };
    match config::load(&Env::of([]), &flags) {
        Ok(config) => assert!(!config::print(&config).is_empty()),
        Err(problems) => {
            assert!(!problems.list().is_empty());
            assert_plain(&problems.to_string());
        }
    }
    // Nobody else knows the name.
    let _ = std::fs::remove_file(place);
}

/// Markdown that streams in looks as it does when it comes at once, and keeps to its width.
pub fn markdown(data: &[u8]) {
    let (body, size) = pieces(data);
    // Each piece draws what is not settled yet again, so long texts only take time.
    let source = String::from_utf8_lossy(&body[..body.len().min(2 << 10)]);
    let columns = u16::try_from(size).unwrap_or(1);
    let theme = Theme::no_color();
    let shown = |markdown: &mut Markdown| -> Vec<String> {
        let lines = markdown.lines(columns, &theme).iter();
        lines
            .map(|line| {
                line.spans
                    .iter()
                    .map(|span| span.content.as_ref())
                    .collect()
            })
            .collect()
    };
    let mut at_once = Markdown::new();
    at_once.push(&source);
    at_once.finish();
    let mut by_pieces = Markdown::new();
    let mut piece = String::new();
    for c in source.chars() {
        piece.push(c);
        if piece.len() >= size {
            by_pieces.push(&piece);
            piece.clear();
            shown(&mut by_pieces);
        }
    }
    by_pieces.push(&piece);
    by_pieces.finish();
    let lines = shown(&mut at_once);
    for line in &lines {
        assert_plain(line);
        assert!(
            width(line) <= size.max(2),
            "{} columns of {size}: {line:?}",
            width(line)
        );
    }
    assert_eq!(shown(&mut by_pieces), lines);
}

/// Text that somebody else wrote, made fit for a terminal.
pub fn text(data: &[u8]) {
    let (body, columns) = pieces(data);
    let source = String::from_utf8_lossy(body);
    assert_plain(&clean(&source));
    let line = clean_line(&source);
    assert!(!line.contains(char::is_control), "{line:?}");
    assert!(shorten(&line, columns).chars().count() <= columns.max(1));
    let safe = display_safe(&line);
    assert!(width(&truncate(&safe, columns)) <= columns);
    assert!(width(&pad(&safe, columns)) >= columns.min(1));
    assert!(width(&align_right(&safe, columns)) >= columns.min(1));
    for range in wrap(&safe, columns) {
        assert!(safe.get(range).is_some(), "at the edges of characters");
    }
}
