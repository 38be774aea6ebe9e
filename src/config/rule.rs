//! Turns serde's words into a rule and what would be right.

use super::problem::{Place, Problem, did_you_mean};

/// Explains why a value could not be read. Values in serde's message are dropped: they may be secret, and the
/// caller shows them where they are not.
pub(super) fn explain(message: &str, place: Place, key: &str) -> Problem {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (word, known) = quoted(rest);
        return Problem::new(place, format!("{key}.{word}"), "unknown key")
            .with_right(did_you_mean(&word, &known));
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let (word, known) = quoted(rest);
        return Problem::new(place, key, "not one of the known words")
            .with_right(did_you_mean(&word, &known));
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        let (word, _) = quoted(rest);
        return Problem::new(place, key, format!("'{word}' is missing"));
    }
    if message.contains("expected a duration") || message.contains("duration") {
        return Problem::new(place, key, "not a duration").with_right(
            "write a number and a unit in quotes, such as \"500ms\", \"30s\" or \"2m\"",
        );
    }
    if let Some((_, wanted)) = message
        .strip_prefix("invalid value: ")
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        let rule = format!("{} is wanted", in_plain_words(wanted));
        return Problem::new(place, key, rule);
    }
    if let Some((found, wanted)) = message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.rsplit_once(", expected "))
    {
        let found = found.split([' ', '`', '"']).next().unwrap_or(found);
        let rule = format!(
            "{} is wanted, not {}",
            in_plain_words(wanted),
            found_in_plain_words(found)
        );
        return Problem::new(place, key, rule);
    }
    Problem::new(place, key, message)
}

/// Returns the first quoted word, and the others.
fn quoted(text: &str) -> (String, Vec<&str>) {
    let mut words = text.split('`').skip(1).step_by(2);
    let first = words.next().unwrap_or_default().to_owned();
    (first, words.collect())
}

fn in_plain_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number from 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "string" => "text in quotes",
        "a sequence" => "a list in [brackets]",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// Takes the first word of what serde found.
fn found_in_plain_words(found: &str) -> &str {
    match found {
        "string" => "text",
        "integer" => "a number",
        "floating" => "a number with a point",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a table",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(message: &str) -> String {
        let problem = explain(message, Place::Default, "a.b");
        format!(
            "{problem} | {}",
            problem.right.as_deref().unwrap_or_default()
        )
    }

    #[test]
    fn serdes_words_become_rules() {
        assert_eq!(
            rule("invalid value: integer `-1`, expected usize"),
            "a.b: a whole number from 0 is wanted | "
        );
        assert_eq!(
            rule("invalid type: string \"x, expected y\", expected a boolean"),
            "a.b: true or false is wanted, not text | "
        );
        assert_eq!(
            rule("unknown field `colour`, expected `color` or `theme`"),
            "a.b.colour: unknown key | did you mean 'color'? known: color, theme"
        );
        assert!(
            rule("invalid type: integer `5`, expected a duration")
                .starts_with("a.b: not a duration")
        );
    }
}
