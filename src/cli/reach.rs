//! Which running gateway is meant, and under which name to go there.

use std::path::PathBuf;

use clap::Args;

use crate::base::{Error, ErrorKind};
use crate::config::Env;
use crate::remote::{Visitor, Way};

/// Where the key is looked for when nobody says otherwise.
const KEY_VARIABLE: &str = "LLMDECK_ADMIN_KEY";

/// Where a running 'llmdeck serve' is.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ReachArgs {
    /// Its admin socket; found by itself when it is in one of the usual places
    #[arg(long, value_name = "PATH", conflicts_with = "url")]
    pub socket: Option<PathBuf>,

    /// Its address, when it runs on another machine: https://host:port
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The environment variable that holds the admin key for --url
    #[arg(long, value_name = "NAME", default_value = KEY_VARIABLE, requires = "url")]
    pub key_env: String,

    /// A file of certificate authorities to trust beside the usual ones
    #[arg(long, value_name = "FILE", requires = "url")]
    pub ca_file: Option<PathBuf>,
}

impl ReachArgs {
    /// Finds the way there; `configured` is the socket that the config names, if it names one.
    ///
    /// # Errors
    /// Of kind `config` when what was typed makes no sense, of kind `network` when nothing runs here.
    pub(super) fn way(&self, configured: Option<PathBuf>, env: &Env) -> Result<Way, Error> {
        if let Some(url) = &self.url {
            let key = env.get(&self.key_env).ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    format!("the variable {} with the admin key is not set", self.key_env),
                )
                .with_hint("set it to one of the gateway's keys with admin rights, or name another with --key-env")
            })?;
            return Way::url(url, key.trim().into(), self.ca_file.clone());
        }
        #[cfg(unix)]
        {
            let named = self.socket.clone().or(configured);
            if let Some(socket) = named {
                let socket = env.expand(&socket.to_string_lossy());
                return Ok(Way::Socket(socket));
            }
            let places = crate::remote::place::to_attach(|name| env.get(name).map(str::to_owned));
            let found = places.iter().find(|place| place.symlink_metadata().is_ok());
            found
                .cloned()
                .map(Way::Socket)
                .ok_or_else(|| crate::remote::place::nothing_runs(&places))
        }
        #[cfg(not(unix))]
        {
            let _ = configured;
            let error = Error::new(ErrorKind::Config, "on this system --url is needed");
            Err(error.with_hint("--url https://host:port, and the admin key in a variable"))
        }
    }
}

/// Returns how this console introduces itself: `user@tty`.
pub(super) fn visitor(read_only: bool, env: &Env) -> Visitor {
    let user = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| env.get(name))
        .unwrap_or("somebody");
    let by = match terminal() {
        Some(terminal) => format!("{user}@{terminal}"),
        None => user.to_owned(),
    };
    Visitor { by, read_only }
}

#[cfg(unix)]
fn terminal() -> Option<String> {
    let name = rustix::termios::ttyname(std::io::stdin(), Vec::new()).ok()?;
    let name = name.into_string().ok()?;
    Some(name.strip_prefix("/dev/").unwrap_or(&name).to_owned())
}

#[cfg(not(unix))]
fn terminal() -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_comes_from_a_variable_and_from_nowhere_else() {
        let args = ReachArgs {
            url: Some("https://deck.example".to_owned()),
            key_env: KEY_VARIABLE.to_owned(),
            ..ReachArgs::default()
        };
        let missing = args.way(None, &Env::of([])).unwrap_err();
        assert!(missing.message().contains("LLMDECK_ADMIN_KEY"), "{missing}");
        let way = args.way(None, &Env::of([(KEY_VARIABLE, "k\n")])).unwrap();
        assert_eq!(way.place(), "https://deck.example");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_typed_goes_before_what_is_configured() {
        let env = Env::of([("HOME", "/h")]);
        let mut args = ReachArgs::default();
        let configured = Some(PathBuf::from("/c.sock"));
        assert_eq!(
            args.way(configured.clone(), &env).unwrap().place(),
            "/c.sock"
        );
        args.socket = Some("~/x.sock".into());
        assert_eq!(args.way(configured, &env).unwrap().place(), "/h/x.sock");
    }
}
