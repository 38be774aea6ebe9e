//! `llmdeck serve`: the gateway as a daemon without a screen.

use std::io::Write;
use std::sync::Arc;

use super::args::ServeArgs;
use super::reload::{Reload, Wishes};
use super::report::{Failure, warn};
use super::run::interrupted;
use super::start;
use super::style::Style;
use crate::base::clean_line;
use crate::config::{Config, Env, Flags};
use crate::deck::Deck;
use crate::export::prometheus;
use crate::gateway::{Gateway, Mounts};

/// Serves until somebody wants an end, then lets what runs end.
///
/// # Errors
/// When it cannot be set up.
pub(super) async fn serve(
    config: Config,
    flags: &Flags,
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
    let deck = Deck::from(started.driver.clone());
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
    let scheme = if started.config.gateway.tls_cert.is_empty() {
        "http"
    } else {
        "https"
    };
    writeln!(err, "listening on {scheme}://{}", gateway.address())?;
    let reload = Reload {
        driver: started.driver,
        listen: args.listen.as_deref(),
        env,
        flags,
    };
    // Nothing is read again of what was not read from anywhere.
    let file = started.config.file.as_deref();
    let wishes = Wishes::hear(file.filter(|_| started.embedded.is_none()));
    tokio::select! {
        () = interrupted() => {}
        never = reload.whenever(wishes, &gateway) => match never {},
    }
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

/// Makes a key, prints it once, and says what to write into the config.
///
/// # Errors
/// When the system gives no randomness, or nobody reads.
pub(super) fn new_key(name: &str, out: &mut dyn Write, err: &mut dyn Write) -> Result<(), Failure> {
    let (key, digest) = crate::gateway::new_key()?;
    writeln!(out, "{key}")?;
    writeln!(
        err,
        "\nThis is the only time that the key is shown. Write this into the config:\n\n[[gateway.keys]]\nname = \"{}\"\nhash = \"{digest}\"",
        clean_line(name).replace(['"', '\\'], "")
    )?;
    Ok(())
}
