//! `llmdeck serve`: the gateway as a daemon without a screen.

use std::io::Write;
use std::sync::Arc;

use super::args::ServeArgs;
use super::report::{Failure, warn};
use super::run::interrupted;
use super::start;
use super::style::Style;
use crate::config::{Config, Env};
use crate::deck::Deck;
use crate::export::prometheus;
use crate::gateway::{Gateway, Mounts};

/// Serves until somebody wants an end, then lets what runs end.
///
/// # Errors
/// When it cannot be set up.
pub(super) async fn serve(
    config: Config,
    args: &ServeArgs,
    is_private: bool,
    env: &Env,
    err: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let started = start::start(config, env).await?;
    let mut told = started.config.warnings.clone();
    #[cfg(feature = "store")]
    let mut keeping = super::keep::Keeping::log(&started.config, is_private, env, &mut told);
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
    let deck = Deck::from(started.driver);
    #[cfg(feature = "store")]
    keeping.follow(&deck);
    #[cfg(not(feature = "store"))]
    let _ = is_private;
    let figures = deck.clone();
    let mounts = Mounts {
        metrics: Some(Arc::new(move || {
            prometheus(&figures.board(), &figures.figures())
        })),
        ..Mounts::default()
    };
    let gateway = Gateway::start(settings, deck, mounts)?;
    writeln!(err, "listening on http://{}", gateway.address())?;
    interrupted().await;
    tracing::info!("draining: nothing new is taken");
    let drained = tokio::select! {
        drained = gateway.drain(patience) => drained,
        // Whoever asks twice does not want to wait.
        () = interrupted() => return Err(Failure::Told(1)),
    };
    #[cfg(feature = "store")]
    super::keep::end(keeping, err, style).await?;
    started.telemetry.shutdown().await;
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
