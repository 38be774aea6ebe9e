//! Config files as people write them: right ones load, wrong ones are told with everything that is wrong.
//!
//! Beside each `tests/configs/invalid/NAME.toml` stands `NAME.expected`. After a deliberate change run with `BLESS=1`,
//! and read the difference.

use std::path::{Path, PathBuf};

use llmdeck::config::{self, Env, Flags, Found};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/configs")
        .join(name)
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    assert!(!files.is_empty());
    files
}

fn env() -> Env {
    Env::of([
        ("HOME", "/nowhere"),
        ("TEST_KEY", "sk-hidden"),
        ("TEST_PAIR", "id.hidden"),
    ])
}

fn load(path: &Path) -> Result<config::Config, config::Problems> {
    let flags = Flags {
        config: Some(path.to_owned()),
        ..Flags::default()
    };
    config::load(&env(), &flags)
}

#[test]
fn right_configs_load() {
    for path in toml_files(&folder("valid")) {
        let config =
            load(&path).unwrap_or_else(|problems| panic!("{}: {problems}", path.display()));
        let has_instances = std::fs::read_to_string(&path)
            .unwrap()
            .contains("[[instances]]");
        let found = if has_instances {
            Found::File(path.clone())
        } else {
            Found::Embedded
        };
        assert_eq!(config.found, found, "{}", path.display());
    }
}

#[test]
fn wrong_configs_are_told_in_full() {
    let folder = folder("invalid");
    for path in toml_files(&folder) {
        let problems = load(&path).expect_err(&path.display().to_string());
        let told = problems
            .to_string()
            .replace(&format!("{}/", folder.display()), "");
        assert!(!told.contains("hidden"), "a secret is shown: {told}");
        assert!(
            !told.contains('\u{1b}'),
            "an escape sequence is shown: {told:?}"
        );
        let expected = path.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, format!("{told}\n")).unwrap();
        }
        let wanted = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(told.trim_end(), wanted.trim_end(), "{}", path.display());
    }
}

#[test]
fn every_key_arrives() {
    let config = load(&folder("valid/every_key.toml")).unwrap();
    let first = &config.instances[0];
    assert_eq!(first.pool.base_url, "https://gateway.example/v1");
    assert_eq!(
        (first.pool.weight, first.pool.tier, first.pool.price),
        (2, 1, Some(0.5))
    );
    assert_eq!(first.pool.limits.permits, 8);
    assert_eq!(first.pool.limits.tokens_per_day, Some(1_000_000));
    assert_eq!(first.provider.timeouts.idle.as_secs(), 90);
    assert_eq!(first.provider.headers.len(), 1);
    assert!(first.provider.key.is_some());
    assert_eq!(config.routes[0].tiers.len(), 2);
    assert_eq!(config.pool.breaker.consecutive_failures, 3);
    assert!(!config.pool.breaker.enabled);
    assert_eq!(config.log.dir, folder("valid/logs").display().to_string());
    assert_eq!(config.personas[0].name, "老师");
}

#[test]
fn print_shows_origins_and_no_secret() {
    let path = folder("valid/three_types.toml");
    let printed = config::print(&load(&path).unwrap());
    assert!(!printed.contains("hidden"), "{printed}");
    insta::assert_snapshot!(printed.replace(&path.display().to_string(), "three_types.toml"));
}

#[test]
fn what_is_printed_is_toml_and_says_the_same() {
    for path in toml_files(&folder("valid")) {
        let printed = config::print(&load(&path).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("printed.toml");
        // The key that is not shown has to come from somewhere.
        std::fs::write(&copy, printed.replace("\"***\"", "\"id.secret\"")).unwrap();
        for name in ["ca.pem", "key.txt"] {
            std::fs::copy(folder("valid").join(name), dir.path().join(name)).unwrap();
        }
        let (first, again) = (
            load(&path).unwrap(),
            load(&copy).unwrap_or_else(|problems| panic!("{problems}")),
        );
        assert_eq!(again.pool, first.pool);
        assert_eq!(again.routes, first.routes);
        assert_eq!(again.prices, first.prices);
        assert_eq!(again.monitor, first.monitor);
        assert_eq!(again.personas, first.personas);
        let pools = |config: &config::Config| {
            config
                .instances
                .iter()
                .map(|found| found.pool.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(pools(&again), pools(&first));
    }
}

#[test]
fn later_layers_win() {
    let path = folder("valid/every_key.toml");
    let env = Env::of([
        ("LLMDECK_POOL_DEADLINE", "9s"),
        ("LLMDECK_POOL_STRATEGY", "sticky"),
        ("LLMDECK_POOL_DEADLIN", "1s"),
        ("LLMDECK_LOG", "debug"),
        ("LLMDECK_LOG_KEEP_DAYS", "30"),
    ]);
    let flags = Flags {
        config: Some(path),
        log_level: Some("error".to_owned()),
        ..Flags::default()
    };
    let config = config::load(&env, &flags).unwrap();
    assert_eq!(config.pool.deadline.as_secs(), 9);
    assert_eq!(config.pool.strategy, "sticky");
    assert_eq!(config.log.keep_days, 30);
    assert_eq!(config.log.level, "error");
    assert_eq!(config.origins["log.level"].to_string(), "--log-level");
    let told = config.warnings.join("\n");
    assert!(
        told.contains("LLMDECK_POOL_DEADLIN sets nothing; did you mean 'deadline'?"),
        "{told}"
    );
}

#[test]
fn a_wrong_variable_or_flag_is_told_by_its_name() {
    let told = |pairs: &[(&'static str, &'static str)], level: Option<&str>| {
        let flags = Flags {
            config: Some(folder("valid/empty.toml")),
            log_level: level.map(str::to_owned),
            ..Flags::default()
        };
        let problems = config::load(&Env::of(pairs.iter().copied()), &flags).unwrap_err();
        problems
            .list()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(
        told(&[("LLMDECK_POOL_QUEUE_LIMIT", "lots")], None),
        "environment variable LLMDECK_POOL_QUEUE_LIMIT: pool.queue_limit = lots: \
         a whole number from 0 is wanted, not text"
    );
    assert_eq!(
        told(&[], Some("loud")),
        "--log-level: log.level = \"loud\": unknown log level"
    );
}

#[test]
fn without_instances_the_environment_is_asked() {
    let flags = Flags {
        config: Some(folder("valid/theme_only.toml")),
        ..Flags::default()
    };
    let env = Env::of([("OPENAI_API_KEY", "sk-hidden"), ("OPENAI_MODEL", "m")]);
    let config = config::load(&env, &flags).unwrap();
    assert_eq!(config.instances[0].pool.models, ["m"]);
    assert!(matches!(&config.found, Found::Environment(what) if what.len() == 1));
    assert_eq!(config.pool.strategy, "least_in_flight");
}

#[cfg(unix)]
#[test]
fn a_key_in_a_file_that_others_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    std::fs::write(
        &path,
        "[[instances]]\nname = \"a\"\ntype = \"openai\"\nkey = \"sk-x\"\n",
    )
    .unwrap();
    let warnings = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        load(&path).unwrap().warnings
    };
    assert!(warnings(0o644)[0].contains(&format!("run: chmod 600 {}", path.display())));
    assert_eq!(warnings(0o600), Vec::<String>::new());
}
