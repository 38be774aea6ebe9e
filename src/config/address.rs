//! Base URLs: what may stand in a config or a variable. Taking them apart is the provider's.

use reqwest::Url;

/// What is wrong with a URL, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadUrl {
    /// The rule it breaks.
    pub(super) rule: String,
    /// What would be right.
    pub(super) right: String,
    /// Whether the text must not be repeated.
    pub(super) secret: bool,
}

/// Checks a base URL.
pub(super) fn check(text: &str) -> Result<Url, BadUrl> {
    let bad = |rule: String, right: &str| BadUrl {
        rule,
        right: right.to_owned(),
        secret: text.contains('@'),
    };
    let example =
        "write it in full, such as \"https://api.openai.com/v1\" or \"http://127.0.0.1:11434\"";
    if !text.contains("://") {
        return Err(bad("not a URL: the scheme is missing".to_owned(), example));
    }
    let url = Url::parse(text).map_err(|error| bad(format!("not a URL: {error}"), example))?;
    if !matches!(url.scheme(), "http" | "https") {
        let rule = format!("the scheme '{}' is not spoken here", url.scheme());
        return Err(bad(rule, "begin it with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(
            "a user or password stands in the URL".to_owned(),
            "take it out; a key goes into key_env or key_file, other credentials into headers",
        ));
    }
    if url.fragment().is_some() {
        return Err(bad(
            "a fragment (#...) stands in the URL".to_owned(),
            "take it out",
        ));
    }
    Ok(url)
}

/// Tells whether a key sent there could be read on the way.
pub(super) fn is_open_to_listeners(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    url.scheme() == "http" && !is_loopback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let bad = check("https://me:pw@host/v1").unwrap_err();
        assert!(bad.secret && !bad.rule.contains("pw"));
        assert!(check("https://host/v1").is_ok());
        assert!(check("ftp://host").unwrap_err().rule.contains("'ftp'"));
        assert!(check("host/v1").unwrap_err().rule.contains("scheme"));
        assert!(check("http://").is_err());
    }

    #[test]
    fn plain_http_is_safe_on_this_machine_only() {
        assert!(!is_open_to_listeners(&check("http://localhost:1").unwrap()));
        assert!(!is_open_to_listeners(&check("https://far").unwrap()));
        assert!(is_open_to_listeners(&check("http://far").unwrap()));
    }
}
