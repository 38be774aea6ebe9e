use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::base::{ErrorKind, InstanceState};
use crate::console::keymap::Keymap;
use crate::console::state::pool_table::PoolColumn;
use crate::pool::StrategyKind;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Finds the phrases in the sources: what stands in `t("...")` and `phrase!("...")`.
fn phrases_in(code: &str) -> Vec<String> {
    let call =
        regex::Regex::new(r#"(?:\bt\(|\bphrase!\(|\bknown\()\s*"((?:[^"\\]|\\.)*)""#).unwrap();
    let counted =
        regex::Regex::new(r#"\bcounted!\(\s*[^"]*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)""#)
            .unwrap();
    let counts = counted
        .captures_iter(code)
        .flat_map(|found| [found[1].to_owned(), found[2].to_owned()]);
    let mut phrases: Vec<String> = counts.collect();
    let calls = call.captures_iter(code).map(|found| {
        let joined = regex::Regex::new(r"\\\n\s*").unwrap();
        let text = joined.replace_all(&found[1], "").into_owned();
        text.replace("\\\"", "\"").replace("\\n", "\n")
    });
    phrases.extend(calls);
    phrases
}

/// What is said without standing in a call: the words of enums.
fn words_of_enums() -> Vec<&'static str> {
    let mut words = Vec::new();
    for listed in Keymap::default().everything() {
        words.push(listed.about());
        words.push(listed.hint());
    }
    for context in Keymap::contexts() {
        words.push(context.title());
    }
    words.extend(ErrorKind::ALL.iter().map(|kind| kind.words()));
    words.extend(ErrorKind::ALL.iter().map(|kind| kind.hint()));
    words.extend(StrategyKind::ALL.iter().map(|kind| kind.about()));
    words.extend(PoolColumn::ALL.iter().map(|column| column.heading()));
    for kind in StrategyKind::ALL {
        let name = kind.as_str().replace('_', " ");
        assert!(in_chinese(&name).is_some(), "{name}");
    }
    for state in [
        InstanceState::On,
        InstanceState::Failing,
        InstanceState::Cooling(std::time::Duration::ZERO),
        InstanceState::Open(std::time::Duration::ZERO),
        InstanceState::HalfOpen,
        InstanceState::Held(ErrorKind::Auth),
        InstanceState::Held(ErrorKind::QuotaExhausted),
        InstanceState::Held(ErrorKind::Server),
        InstanceState::Draining,
        InstanceState::Standby,
        InstanceState::Off,
    ] {
        words.push(state.word());
    }
    words
}

/// The string literals of a source, places as `{}`, without comments and attributes.
fn literals_in(code: &str) -> Vec<String> {
    let comment = regex::Regex::new(r"(?m)^\s*//.*$").unwrap();
    let attribute = regex::Regex::new(r"#\[[^\]]*\]").unwrap();
    let literal = regex::Regex::new(r#""((?:[^"\\]|\\.)*)""#).unwrap();
    let joined = regex::Regex::new(r"\\\n\s*").unwrap();
    let place = regex::Regex::new(r"\{[^}]*\}").unwrap();
    let code = comment.replace_all(code, "");
    let code = attribute.replace_all(&code, "");
    literal
        .captures_iter(&code)
        .map(|found| {
            let text = joined.replace_all(&found[1], "");
            place.replace_all(&text, "{}").into_owned()
        })
        .collect()
}

/// What is said before the console has the screen, what theme and key files are told, and the names of keys.
const NOT_ON_THE_SCREEN: [&str; 8] = [
    "src/console/keymap.rs",
    "src/console/keymap/",
    "src/console/run.rs",
    "src/console/terminal.rs",
    "src/console/theme",
    "src/console/view/highlight",
    "src/console/words",
    "src/console/tests",
];

#[test]
fn no_sentence_of_the_console_is_english_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src/console"), &mut files);
    let sentence = regex::Regex::new("[a-zA-Z]{2,} [a-z]{2,}").unwrap();
    let mut missing = BTreeSet::new();
    for path in files {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        let is_elsewhere = NOT_ON_THE_SCREEN.iter().any(|left| name.starts_with(left));
        if is_elsewhere || name.ends_with("/tests.rs") {
            continue;
        }
        let code = fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let said = literals_in(code).into_iter();
        missing.extend(
            said.filter(|text| sentence.is_match(text) && in_chinese(text).is_none())
                .map(|text| format!("{name}: {text}")),
        );
    }
    assert!(missing.is_empty(), "without Chinese: {missing:#?}");
}

#[test]
fn every_theme_has_a_line_in_chinese() {
    for (name, about) in crate::console::run::looks::Looks::list(&[]) {
        assert!(in_chinese(&about).is_some(), "{name}: {about}");
    }
}

#[test]
fn every_phrase_has_a_chinese_one() {
    let mut files = Vec::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console"),
        &mut files,
    );
    assert!(files.len() > 50);
    let mut missing = BTreeSet::new();
    for path in files {
        if path.ends_with("words.rs") || path.ends_with("words/tests.rs") {
            continue;
        }
        let code = fs::read_to_string(&path).unwrap();
        let code = code
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        missing.extend(
            phrases_in(code)
                .into_iter()
                .filter(|phrase| in_chinese(phrase).is_none()),
        );
    }
    missing.extend(
        words_of_enums()
            .into_iter()
            .filter(|word| in_chinese(word).is_none())
            .map(str::to_owned),
    );
    assert!(missing.is_empty(), "without Chinese: {missing:#?}");
}

#[test]
fn no_phrase_stands_twice_and_each_keeps_its_places() {
    let mut seen = HashSet::new();
    for (english, chinese) in zh::phrases() {
        assert!(seen.insert(english), "twice: {english}");
        let places = |text: &str| text.matches('{').count();
        assert_eq!(places(english), places(chinese), "{english}: {chinese}");
        assert!(!chinese.is_empty(), "{english}");
    }
}

#[test]
fn arguments_go_where_the_language_wants_them() {
    assert_eq!(fill("{} of {}", &[&1, &"b"]), "1 of b");
    assert_eq!(fill("{1} 中的 {0}", &[&1, &2]), "2 中的 1");
    assert_eq!(fill("a } b { c", &[&1]), "a } b { c");
    assert_eq!(fill("{}{}", &[&1]), "1");
}

#[test]
fn the_environment_chooses_where_nobody_did() {
    let lang = |choice: LangChoice, vars: &[(&str, &str)]| {
        choice.resolve(|name| {
            let found = vars.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(lang(LangChoice::Auto, &[]), Lang::En);
    assert_eq!(lang(LangChoice::Auto, &[("LANG", "zh_CN.UTF-8")]), Lang::Zh);
    assert_eq!(
        lang(
            LangChoice::Auto,
            &[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")]
        ),
        Lang::En
    );
    assert_eq!(lang(LangChoice::En, &[("LANG", "zh_CN.UTF-8")]), Lang::En);
    assert_eq!(lang(LangChoice::Zh, &[]), Lang::Zh);
}

#[test]
fn a_language_holds_in_its_thread() {
    speak(Lang::Zh);
    assert_eq!(t("Commands"), "命令");
    let other = std::thread::spawn(|| t("Commands")).join().unwrap();
    assert_eq!(other, "Commands");
    speak(Lang::En);
}

#[test]
fn sentences_from_elsewhere_are_known_by_their_templates() {
    speak(Lang::Zh);
    assert_eq!(
        translate("3 of 5 instances can serve"),
        "5 个实例中有 3 个可以服务"
    );
    assert_eq!(
        translate("openai-a off; 2 requests finish"),
        "openai-a 已停用；2 个请求进行完毕后结束"
    );
    assert_eq!(
        translate("azure: rate limited: Try later"),
        "azure: 被限速: Try later"
    );
    assert_eq!(translate("azure: Try later"), "azure: Try later");
    assert_eq!(translate("wrong key"), "密钥错误");
    speak(Lang::En);
    assert_eq!(translate("wrong key"), "wrong key");
}
