//! `llmdeck attach`: the console onto a pool in another process.

use std::io::Write;

use super::args::AttachArgs;
use super::face::{self, Log};
use super::reach;
use super::report::Failure;
use super::style::Style;
use crate::config::{Config, Env};
use crate::console::{self, Context};
use crate::deck::Deck;
use crate::remote::Remote;

/// Opens the console on a running gateway.
///
/// # Errors
/// When there is no gateway, when it lets nobody in, or when there is no terminal.
pub(super) async fn attach(
    config: Config,
    args: &AttachArgs,
    is_private: bool,
    env: &Env,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let log = Log::open(&config, is_private, env)?;
    let way = args.reach.way(config.gateway.socket_place(), env)?;
    let place = way.place();
    let remote = Remote::connect(way, reach::visitor(args.read_only, env)).await?;
    tracing::info!(%place, by = remote.by(), gateway = remote.version(), "attached");
    let looks = if remote.is_read_only() {
        ", read-only"
    } else {
        ""
    };
    // The gateway logs the requests; what was typed here is this person's.
    let mut afterwards = config.warnings.clone();
    let kept = face::conversations(&config, is_private, env, &mut afterwards);
    let context = Context {
        kept: face::where_kept(&kept),
        source_note: Some(format!("attached{looks}")),
        source_hint: Some(format!(
            "This is the pool of the llmdeck {} at {place}; what is changed here changes for all who use it.",
            remote.version()
        )),
        by: Some(remote.by()),
        log: Some(log.lines()),
        memory: face::memory(is_private, env),
        ..face::context(&config, false, env)
    };
    let ended = console::start(Deck::new(remote), config.console, context).await;
    afterwards.extend(face::leave(kept).await);
    log.close(afterwards, err, style)?;
    face::ended(ended?)
}
