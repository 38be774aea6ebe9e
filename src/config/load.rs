//! Reads everything, checks it, and hands it out, or says all that is wrong.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::discover::{self, Found};
use super::document::Document;
use super::env::Env;
use super::findings::Findings;
use super::instance::{self, Instance};
use super::key::{self, KeySource};
use super::names::Names;
use super::overlay;
use super::persona::{self, Persona};
use super::problem::{Place, Problems, did_you_mean};
use super::table::Table;
use crate::{logging, pool};

/// What the command line says about the config.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The config file to read.
    pub config: Option<PathBuf>,
    /// What to log.
    pub log_level: Option<String>,
}

/// Everything that is configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The config file that was read.
    pub file: Option<PathBuf>,
    /// Where the instances come from.
    pub found: Found,
    /// The instances in their order.
    pub instances: Vec<Instance>,
    /// How the pool behaves.
    pub pool: pool::Settings,
    /// How logs are written.
    pub log: logging::Settings,
    /// Personas in their order.
    pub personas: Vec<Persona>,
    /// What works but should be known.
    pub warnings: Vec<String>,
    /// Where each key that is set comes from, by its dotted form; the rest is default.
    pub origins: BTreeMap<String, Place>,
}

/// Reads and checks everything.
///
/// # Errors
/// When anything is wrong; then nothing of it may be used.
pub fn load(env: &Env, flags: &Flags) -> Result<Config, Problems> {
    let document = find_file(env, flags)
        .map(|path| Document::read(&path))
        .transpose()?;
    let mut findings = Findings::default();
    let nothing = Document::nothing();
    let (text, toml) = match &document {
        Some(document) => (document, document.parse()?),
        None => (&nothing, toml::de::DeTable::new()),
    };
    let mut file = Table::new(text, "", 0, toml);
    let mut config = read(&mut file, env, flags, &mut findings);
    file.finish(&mut findings);
    if let Some(document) = &document {
        warn_of_readers(document, &config.instances, &mut findings);
        config.file = Some(document.path().to_owned());
    }
    if config.instances.is_empty() {
        config.instances = discover::from_variables(env, &mut findings);
        let names = config
            .instances
            .iter()
            .map(|instance| match &instance.from {
                Place::Variable(name) => name.clone(),
                other => other.to_string(),
            });
        let names: Vec<String> = names.collect();
        if !names.is_empty() {
            config.found = Found::Environment(names);
        }
    } else if let Some(path) = &config.file {
        config.found = Found::File(path.clone());
    }
    if let Some(problems) = Problems::of(findings.problems) {
        return Err(problems);
    }
    config.warnings = findings.warnings;
    config.origins = findings.origins;
    Ok(config)
}

fn read(file: &mut Table<'_>, env: &Env, flags: &Flags, findings: &mut Findings) -> Config {
    let mut names = Names::default();
    let mut instances = Vec::new();
    for table in file.take_tables("instances", findings) {
        instances.extend(instance::read(table, &mut names, env, findings));
    }
    let pool: pool::Settings = overlay::section("pool", file, env, findings);
    check_pool(&pool, findings);
    let mut log: logging::Settings = overlay::section("log", file, env, findings);
    log_level(&mut log, env, flags, findings);
    if !log.dir.is_empty() {
        let dir = key::resolve(file.document().path(), &log.dir, env);
        log.dir = dir.to_string_lossy().into_owned();
    }
    let mut names = Names::default();
    let mut personas = Vec::new();
    for table in file.take_tables("personas", findings) {
        personas.extend(persona::read(table, &mut names, findings));
    }
    Config {
        file: None,
        found: Found::Embedded,
        instances,
        pool,
        log,
        personas,
        warnings: Vec::new(),
        origins: BTreeMap::new(),
    }
}

/// A file that is named must be there; the one in the usual place may be missing.
fn find_file(env: &Env, flags: &Flags) -> Option<PathBuf> {
    if let Some(named) = &flags.config {
        return Some(named.clone());
    }
    let is_named = env.get("LLMDECK_CONFIG").is_some();
    env.config_file()
        .filter(|path| is_named || path.try_exists().unwrap_or(true))
}

fn check_pool(pool: &pool::Settings, findings: &mut Findings) {
    if !pool::STRATEGIES.contains(&pool.strategy.as_str()) {
        let right = did_you_mean(&pool.strategy, pool::STRATEGIES);
        findings.refuse(
            "pool.strategy",
            &format!("\"{}\"", pool.strategy),
            "unknown strategy",
            &right,
        );
    }
    if pool.deadline.is_zero() {
        let right = "leave it out for the usual one";
        findings.refuse(
            "pool.deadline",
            "0s",
            "a deadline is longer than nothing",
            right,
        );
    }
}

fn log_level(log: &mut logging::Settings, env: &Env, flags: &Flags, findings: &mut Findings) {
    const KEY: &str = "log.level";
    if let Some(level) = env.get("LLMDECK_LOG") {
        level.clone_into(&mut log.level);
        findings
            .origins
            .insert(KEY.to_owned(), Place::Variable("LLMDECK_LOG".to_owned()));
    }
    if let Some(level) = &flags.log_level {
        log.level.clone_from(level);
        findings
            .origins
            .insert(KEY.to_owned(), Place::Flag("--log-level".to_owned()));
    }
    if let Err(word) = logging::check_level(&log.level) {
        let right = did_you_mean(&word, &logging::LEVELS);
        findings.refuse(
            KEY,
            &format!("\"{}\"", log.level),
            "unknown log level",
            &right,
        );
    }
    if log.keep_days == 0 {
        findings.refuse(
            "log.keep_days",
            "0",
            "today's file is always kept",
            "use 1 or more",
        );
    }
}

fn warn_of_readers(document: &Document, instances: &[Instance], findings: &mut Findings) {
    let holds_key = instances.iter().any(|instance| {
        instance.key_from == Some(KeySource::Literal)
            || instance.provider.headers.keys().any(|name| is_secret(name))
    });
    if !holds_key {
        return;
    }
    if let Some(mode) = key::mode_for_others(document.path()) {
        findings.warnings.push(format!(
            "a key stands in {0}, which others can read (mode {mode:04o}); run: chmod 600 {0}",
            document.path().display()
        ));
    }
}

/// Tells whether a header of this name usually holds a secret.
fn is_secret(header: &str) -> bool {
    let header = header.to_lowercase();
    ["auth", "key", "token", "secret", "cookie"]
        .iter()
        .any(|part| header.contains(part))
}
