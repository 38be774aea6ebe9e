//! `llmdeck serve`: the gateway as a daemon without a screen, and the same beside a console.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::args::ServeArgs;
use super::reload::{Reload, Wishes};
use super::report::{Failure, warn};
use super::run::interrupted;
use super::start;
use super::style::Style;
use crate::base::{Error, clean_line};
use crate::config::{Config, Env, Flags};
use crate::deck::Deck;
use crate::export::prometheus;
use crate::gateway::{Gateway, Mounts, Settings};
use crate::remote::Admin;

/// A gateway and its admin socket.
pub(super) struct Serving {
    pub(super) gateway: Gateway,
    admin: Admin,
    #[cfg(unix)]
    listening: Option<crate::remote::Listening>,
    /// What a person should know of it.
    pub(super) notes: Vec<String>,
}

impl Serving {
    /// Begins to serve a pool; `socket` is where somebody asked the admin socket to be.
    ///
    /// # Errors
    /// When an address or a place that somebody chose cannot be used.
    pub(super) fn begin(
        deck: Deck,
        settings: Settings,
        socket: Option<&Path>,
        env: &Env,
    ) -> Result<Self, Error> {
        let admin = Admin::new(deck.clone());
        let mut notes = Vec::new();
        #[cfg(unix)]
        let listening = listen(&admin, &settings, socket, env, &mut notes)?;
        #[cfg(not(unix))]
        let _ = (socket, env);
        let figures = deck.clone();
        let mounts = Mounts {
            admin: Some(admin.router()),
            metrics: Some(Arc::new(move || {
                prometheus(&figures.board(), &figures.figures())
            })),
        };
        let scheme = if settings.tls_cert.is_empty() {
            "http"
        } else {
            "https"
        };
        let gateway = Gateway::start(settings, deck, mounts)?;
        notes.insert(0, format!("listening on {scheme}://{}", gateway.address()));
        Ok(Self {
            gateway,
            admin,
            #[cfg(unix)]
            listening,
            notes,
        })
    }

    /// Says goodbye to the consoles and takes the socket away; the gateway is left to be drained.
    pub(super) fn into_gateway(self) -> Gateway {
        self.admin.close();
        #[cfg(unix)]
        drop(self.listening);
        self.gateway
    }
}

#[cfg(unix)]
fn listen(
    admin: &Admin,
    settings: &Settings,
    socket: Option<&Path>,
    env: &Env,
    notes: &mut Vec<String>,
) -> Result<Option<crate::remote::Listening>, Error> {
    let chosen = socket
        .map(|path| env.expand(&path.to_string_lossy()))
        .or_else(|| Some(env.expand(&settings.socket_place()?.to_string_lossy())));
    if chosen.is_none() && settings.admin_socket == "off" {
        return Ok(None);
    }
    let is_chosen = chosen.is_some();
    let usual = || crate::remote::place::to_listen(|name| env.get(name).map(str::to_owned));
    match admin.listen(&chosen.unwrap_or_else(usual)) {
        Ok(listening) => {
            let place = listening.path().display();
            notes.push(format!("'llmdeck attach' and 'status' find it at {place}"));
            Ok(Some(listening))
        }
        Err(error) if is_chosen => Err(error),
        // The gateway works without; a place that somebody chose must work.
        Err(error) => {
            notes.push(format!(
                "no console can attach: {}; {}",
                error.message(),
                error.hint()
            ));
            Ok(None)
        }
    }
}

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
    if started.embedded.is_none() {
        keeping.follow(&deck);
        if let Some(recall) = keeping.recall(&started.driver) {
            recall.first().await;
        }
    }
    #[cfg(not(feature = "store"))]
    let _ = is_private;
    let serving = Serving::begin(deck, settings, args.socket.as_deref(), env)?;
    for note in &serving.notes {
        writeln!(err, "{note}")?;
    }
    let mut telemetry = started.telemetry;
    let reload = Reload {
        driver: started.driver,
        telling: Mutex::new(std::mem::take(&mut telemetry.telling)),
        listen: args.listen.as_deref(),
        env,
        flags,
    };
    // Nothing is read again of what was not read from anywhere.
    let file = started.config.file.as_deref();
    let wishes = Wishes::hear(file.filter(|_| started.embedded.is_none()));
    tokio::select! {
        () = interrupted() => {}
        never = reload.whenever(wishes, &serving.gateway) => match never {},
    }
    tracing::info!("draining: nothing new is taken");
    let gateway = serving.into_gateway();
    let drained = tokio::select! {
        drained = gateway.drain(patience) => Some(drained),
        // Whoever asks twice does not want to wait.
        () = interrupted() => None,
    };
    // What has happened is written and sent all the same: that takes a few seconds at most, and is cut short only by
    // somebody who asks once more.
    let closing = async {
        #[cfg(feature = "store")]
        let ended = super::keep::end(keeping, err, style).await;
        #[cfg(not(feature = "store"))]
        let ended = Ok(());
        telemetry.shutdown().await;
        ended
    };
    let ended = tokio::select! {
        ended = closing => Some(ended),
        () = interrupted() => None,
    };
    match ended {
        Some(ended) => ended?,
        None => writeln!(
            err,
            "the last rows of the request log, traces and metrics may be missing"
        )?,
    }
    let Some(drained) = drained else {
        writeln!(err, "stopped at once; what was running was cut")?;
        return Err(Failure::Told(1));
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
