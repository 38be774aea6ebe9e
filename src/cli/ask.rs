//! One question, one answer: `llmdeck chat`.

use std::io;

use futures_util::StreamExt;
use tokio::time::Instant;

use super::answer::{Printer, Screen};
use super::args::ChatArgs;
use super::object;
use super::report::Failure;
use crate::base::{Answer, ChatRequest, ChatStream, Chunk, Error, ErrorKind, Message};

/// Makes the request that was typed.
///
/// # Errors
/// When the provider type is unknown.
pub(super) fn request(args: &ChatArgs, question: String) -> Result<ChatRequest, Error> {
    let mut messages = Vec::new();
    messages.extend(args.system.as_ref().map(Message::system));
    messages.push(Message::user(question));
    let mut request = ChatRequest::new(messages).with_target(args.target()?);
    request.model.clone_from(&args.model);
    request.max_tokens = args.max_tokens;
    request.temperature = args.temperature;
    request.stream = !args.no_stream;
    Ok(request)
}

/// Asks, and shows the answer until it ends or `cancelled` comes true.
///
/// # Errors
/// When there was no whole answer; with `--json` the object has told it already.
pub(super) async fn ask(
    stream: ChatStream,
    args: &ChatArgs,
    screen: &mut Screen<'_>,
    cancelled: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut answer = Answer::default();
    if !args.json {
        let mut printer = Printer::new(screen, args.reasoning);
        let ended = follow(stream, &mut answer, cancelled, |chunk| printer.show(chunk)).await?;
        printer.end(answer.so_far())?;
        return ended.map_err(Failure::from);
    }
    let ended = follow(stream, &mut answer, cancelled, |_| Ok(())).await?;
    let so_far = answer.so_far_mut();
    if ended.is_err() {
        so_far.total_time = began.elapsed();
    }
    let object = object::of_answer(so_far, ended.as_ref().err());
    writeln!(screen.out, "{object:#}")?;
    ended.map_err(|error| Failure::Told(error.kind().exit_code()))
}

/// Follows a stream to its end. Leaving drops it, which closes the connection.
async fn follow(
    mut stream: ChatStream,
    answer: &mut Answer,
    cancelled: impl Future<Output = ()>,
    mut show: impl FnMut(&Chunk) -> io::Result<()>,
) -> io::Result<Result<(), Error>> {
    tokio::pin!(cancelled);
    loop {
        let next = tokio::select! {
            biased;
            () = &mut cancelled => return Ok(Err(Error::new(ErrorKind::Cancelled, ""))),
            next = stream.next() => next,
        };
        match next {
            Some(Ok(chunk)) => {
                show(&chunk)?;
                answer.push(&chunk);
                if matches!(chunk, Chunk::Done(_)) {
                    return Ok(Ok(()));
                }
            }
            Some(Err(error)) => return Ok(Err(error)),
            None => {
                let message = "the stream ended without saying so";
                return Ok(Err(Error::protocol("truncated", message)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
