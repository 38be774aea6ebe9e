//! The environment as a value, so that nothing else reads the process and tests set no variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Environment variables and the home folder.
#[derive(Clone, Default)]
pub struct Env {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl std::fmt::Debug for Env {
    /// Names the variables only: their values may be keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .finish()
    }
}

impl Env {
    /// Takes the environment of this process; variables that are not Unicode are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            home: etcetera::home_dir().ok(),
        }
    }

    /// Makes an environment from pairs; the home folder is `HOME`.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let variables: BTreeMap<String, String> = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let home = variables.get("HOME").map(PathBuf::from);
        Self { variables, home }
    }

    /// Returns a variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.trim().is_empty())
    }

    /// Returns the names of variables that begin so.
    pub fn names_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables
            .keys()
            .map(String::as_str)
            .filter(move |name| name.starts_with(prefix))
    }

    /// Returns the home folder.
    pub fn home(&self) -> Option<&std::path::Path> {
        self.home.as_deref()
    }

    /// Returns where the config file is expected: `LLMDECK_CONFIG`, else the XDG place.
    pub fn config_file(&self) -> Option<PathBuf> {
        if let Some(named) = self.get("LLMDECK_CONFIG") {
            return Some(self.expand(named));
        }
        Some(
            self.xdg("XDG_CONFIG_HOME", ".config")?
                .join("llmdeck/config.toml"),
        )
    }

    /// Returns the folder for state: logs and what is remembered between runs.
    pub fn state_dir(&self) -> Option<PathBuf> {
        Some(self.xdg("XDG_STATE_HOME", ".local/state")?.join("llmdeck"))
    }

    /// Returns the folder for what people want to keep: conversations.
    pub fn data_dir(&self) -> Option<PathBuf> {
        Some(self.xdg("XDG_DATA_HOME", ".local/share")?.join("llmdeck"))
    }

    /// Returns the folders in which people keep themes of their own.
    pub fn theme_dirs(&self) -> Vec<PathBuf> {
        let config = self.xdg("XDG_CONFIG_HOME", ".config");
        config
            .map(|folder| folder.join("llmdeck/themes"))
            .into_iter()
            .collect()
    }

    /// Replaces a leading `~/` by the home folder.
    pub fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        }
    }

    /// A relative XDG folder is ignored, as the XDG specification asks.
    fn xdg(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        self.get(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(self.home.as_ref()?.join(below_home)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_config_file_is_named_or_in_the_xdg_place() {
        let home = Env::of([("HOME", "/h")]);
        assert_eq!(
            home.config_file(),
            Some("/h/.config/llmdeck/config.toml".into())
        );
        let xdg = Env::of([("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]);
        assert_eq!(xdg.config_file(), Some("/x/llmdeck/config.toml".into()));
        let relative = Env::of([("HOME", "/h"), ("XDG_CONFIG_HOME", "x")]);
        assert_eq!(relative.config_file(), home.config_file());
        let named = Env::of([("HOME", "/h"), ("LLMDECK_CONFIG", "~/deck.toml")]);
        assert_eq!(named.config_file(), Some("/h/deck.toml".into()));
        assert_eq!(Env::default().config_file(), None);
    }

    #[test]
    fn an_empty_variable_is_not_set_and_debug_shows_no_value() {
        let env = Env::of([("A", " "), ("KEY", "sk-secret")]);
        assert_eq!(env.get("A"), None);
        assert!(!format!("{env:?}").contains("secret"));
    }
}
