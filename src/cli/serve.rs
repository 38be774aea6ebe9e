//! `llmdeck serve`: the gateway as a daemon without a screen.

use std::io::Write;

use super::args::ServeArgs;
use super::report::{Failure, warn};
use super::run::interrupted;
use super::start;
use super::style::Style;
use crate::config::{Config, Env};
use crate::deck::Deck;
use crate::gateway::{Gateway, Mounts};

/// Serves until somebody wants an end, then lets what runs end.
///
/// # Errors
/// When it cannot be set up.
pub(super) async fn serve(
    config: Config,
    args: &ServeArgs,
    env: &Env,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let started = start::start(config, env).await?;
    let mut told = started.config.warnings.clone();
    if started.embedded.is_some() {
        told.push(
            "no instance is configured, so the embedded pool answers; it only simulates models"
                .to_owned(),
        );
    }
    warn(&told, err, style)?;
    let mut settings = started.config.gateway.clone();
    if let Some(listen) = &args.listen {
        settings.listen.clone_from(listen);
    }
    let patience = settings.drain;
    let gateway = Gateway::start(settings, Deck::from(started.driver), Mounts::default())?;
    writeln!(err, "listening on http://{}", gateway.address())?;
    interrupted().await;
    tracing::info!("draining: nothing new is taken");
    let drained = tokio::select! {
        drained = gateway.drain(patience) => drained,
        // Whoever asks twice does not want to wait.
        () = interrupted() => return Err(Failure::Told(1)),
    };
    let (running, cut) = (drained.running, drained.cut);
    writeln!(
        err,
        "stopped; {running} requests were running, {cut} of them were cut"
    )?;
    match cut {
        0 => Ok(()),
        _ => Err(Failure::Told(1)),
    }
}
