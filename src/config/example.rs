//! The example config: written by `config init`, and equal to the defaults.

use std::io::Write;
use std::path::Path;

use crate::base::{Error, ErrorKind};

/// The example: every key with what it means; what is not commented out equals the defaults.
pub const EXAMPLE: &str = include_str!("../../config.example.toml");

/// Writes the example to a new file that only its owner can read.
///
/// # Errors
/// When there is a file already, or it cannot be written.
pub fn init(path: &Path) -> Result<(), Error> {
    let failed = |error: &std::io::Error| {
        let shown = path.display();
        let (message, hint) = match error.kind() {
            std::io::ErrorKind::AlreadyExists => (
                format!("'{shown}' is there already, and was left as it is"),
                "move it away first, or write another one with --config FILE",
            ),
            _ => (
                format!("'{shown}' cannot be written: {error}"),
                "choose another place with --config FILE",
            ),
        };
        Error::new(ErrorKind::Config, message).with_hint(hint)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    private_file(path)
        .and_then(|mut file| file.write_all(EXAMPLE.as_bytes()))
        .map_err(|error| failed(&error))
}

fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::config::probe::fields_of;
    use crate::config::{Env, Flags, load};
    #[cfg(feature = "console")]
    use crate::console;
    use crate::driver::RetrySettings;
    use crate::{limit, logging, monitor, pool, provider};

    /// Uncomments `#key = value`, `#[table]` and what goes on below them; prose has a blank after the `#`.
    fn uncommented() -> String {
        EXAMPLE.lines().fold(String::new(), |mut out, line| {
            let line = match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with([' ', '#']) => rest,
                _ => line,
            };
            let _ = writeln!(out, "{line}");
            out
        })
    }

    fn load_text(text: &str) -> crate::config::Config {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(dir.path().join("key"), "sk-x").unwrap();
        std::fs::write(dir.path().join("ca.pem"), "-----BEGIN CERTIFICATE-----\n").unwrap();
        let env = Env::of([("OPENAI_API_KEY", "sk-1"), ("ZHIPUAI_API_KEY", "id.secret")]);
        let flags = Flags {
            config: Some(path),
            ..Flags::default()
        };
        load(&env, &flags).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn the_example_as_it_stands_equals_the_defaults() {
        let config = load_text(EXAMPLE);
        assert_eq!(config.pool, pool::Settings::default());
        assert_eq!(config.retry, RetrySettings::default());
        assert_eq!(config.monitor, monitor::Settings::default());
        assert_eq!(config.notify, crate::notify::Settings::default());
        #[cfg(feature = "console")]
        assert_eq!(config.console, console::Settings::default());
        #[cfg(feature = "gateway")]
        assert_eq!(config.gateway, crate::gateway::Settings::default());
        assert_eq!(config.log, logging::Settings::default());
        #[cfg(feature = "store")]
        assert_eq!(config.store, crate::store::Settings::default());
        assert_eq!(config.personas, []);
    }

    #[test]
    fn what_is_commented_out_is_valid_and_names_the_defaults() {
        let mut config = load_text(&uncommented());
        // An example: there is none by default.
        assert!(config.pool.scaling.webhook.take().is_some());
        assert!(config.notify.webhook.is_some() && config.notify_key.is_some());
        assert_eq!(config.pool, pool::Settings::default());
        assert_eq!(config.retry, RetrySettings::default());
        assert_eq!(config.monitor, monitor::Settings::default());
        #[cfg(feature = "console")]
        assert_eq!(config.console.mouse, console::Settings::default().mouse);
        assert_eq!(config.log, logging::Settings::default());
        #[cfg(feature = "store")]
        assert_eq!(config.store, crate::store::Settings::default());
        assert!(!config.personas.is_empty());
        let every = config
            .instances
            .iter()
            .find(|instance| instance.pool.name.as_str() == "every-key")
            .unwrap();
        let default = pool::InstanceSettings::new("every-key", every.pool.provider_type);
        assert_eq!(
            (every.pool.weight, every.pool.enabled),
            (default.weight, default.enabled)
        );
        assert_eq!(every.pool.limits.permits, default.limits.permits);
        assert_eq!(every.pool.limits.min_interval, default.limits.min_interval);
        let timeouts = provider::Timeouts::default_for(every.pool.provider_type);
        assert_eq!(every.provider.timeouts, timeouts);
        assert_eq!(every.provider.auth, provider::AuthForm::default());
    }

    #[test]
    fn every_key_of_every_section_stands_in_the_example() {
        let keys = [
            fields_of::<pool::Settings>(),
            fields_of::<pool::BreakerSettings>(),
            fields_of::<pool::ScalingSettings>(),
            fields_of::<pool::AdaptiveSettings>(),
            fields_of::<pool::RouteSettings>(),
            fields_of::<RetrySettings>(),
            fields_of::<monitor::Settings>(),
            fields_of::<monitor::alerts::Settings>(),
            fields_of::<monitor::alerts::Slow>(),
            fields_of::<monitor::alerts::Rule>(),
            fields_of::<crate::notify::Settings>(),
            fields_of::<crate::prices::PriceSettings>(),
            #[cfg(feature = "console")]
            fields_of::<console::Settings>(),
            #[cfg(feature = "gateway")]
            fields_of::<crate::gateway::Settings>(),
            #[cfg(feature = "gateway")]
            fields_of::<crate::gateway::KeySettings>(),
            &["defaults", "overrides"],
            fields_of::<logging::Settings>(),
            #[cfg(feature = "store")]
            fields_of::<crate::store::Settings>(),
            fields_of::<limit::Settings>(),
            fields_of::<provider::Timeouts>(),
            fields_of::<crate::config::Persona>(),
            &[
                "name",
                "type",
                "base_url",
                "key",
                "key_env",
                "key_file",
                "auth",
                "models",
                "enabled",
                "weight",
                "headers",
                "ca_file",
                "timeouts",
                "max_tokens_field",
            ],
        ];
        for key in keys.concat() {
            let has_key = uncommented().lines().any(|line| {
                let line = line.trim_start_matches("# ");
                line.starts_with(&format!("{key} ="))
                    || line.starts_with(&format!("{key}."))
                    || line.contains(&format!(" {key} = "))
                    || line.trim_end_matches(']').ends_with(&format!(".{key}"))
                    || line.contains(&format!(".{key}."))
            });
            assert!(has_key, "the example does not show '{key}'");
        }
    }

    #[test]
    fn init_writes_for_the_owner_alone_and_never_over_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/config.toml");
        init(&path).unwrap();
        assert_eq!(crate::config::key::mode_for_others(&path), None);
        std::fs::write(&path, "mine").unwrap();
        assert!(
            init(&path)
                .unwrap_err()
                .to_string()
                .contains("is there already")
        );
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    }
}
