//! What is logged: words to a filter. Wrong words are refused; the filter's own parser takes them for target names.

use tracing_subscriber::EnvFilter;

use super::PROMPTS;

/// The levels, least first.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks a level or a list of `target=level`.
///
/// # Errors
/// The word that is no level.
pub fn check(text: &str) -> Result<(), String> {
    for directive in text.split(',').map(str::trim) {
        let level = match directive.split_once('=') {
            Some((target, level)) if is_target(target) => level,
            Some(_) => return Err(directive.to_owned()),
            None => directive,
        };
        if !LEVELS.contains(&level) {
            return Err(level.to_owned());
        }
    }
    Ok(())
}

fn is_target(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'))
}

/// Makes the filter. A bare level counts for llmdeck; other crates stay at `warn` unless they are named.
pub(super) fn filter(level: &str, prompts: bool) -> EnvFilter {
    let mut directives = vec!["warn".to_owned()];
    for directive in level.split(',').map(str::trim) {
        match directive {
            "off" => "off".clone_into(&mut directives[0]),
            named if named.contains('=') => directives.push(named.to_owned()),
            bare => directives.push(format!("llmdeck={bare}")),
        }
    }
    let prompts = if prompts { "trace" } else { "off" };
    directives.push(format!("{PROMPTS}={prompts}"));
    EnvFilter::builder().parse_lossy(directives.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_refused() {
        assert_eq!(check("info"), Ok(()));
        assert_eq!(check("warn, hyper_util=trace"), Ok(()));
        assert_eq!(check("inof"), Err("inof".to_owned()));
        assert_eq!(check("llmdeck=loud"), Err("loud".to_owned()));
        assert_eq!(check("a b=info"), Err("a b=info".to_owned()));
        assert_eq!(check(""), Err(String::new()));
    }

    #[test]
    fn prompts_are_off_whatever_the_level() {
        assert!(
            filter("trace", false)
                .to_string()
                .contains("llmdeck::prompts=off")
        );
        assert!(
            filter("info", true)
                .to_string()
                .contains("llmdeck::prompts=trace")
        );
        let off = filter("off", false).to_string();
        assert!(!off.contains("warn") && !off.contains("llmdeck="), "{off}");
    }
}
