//! Base URLs: what may stand in a config, and what `OLLAMA_HOST` means.

use reqwest::Url;

use crate::base::ProviderType;

/// Returns the usual base URL of a provider type.
pub(super) const fn usual(provider_type: ProviderType) -> &'static str {
    match provider_type {
        ProviderType::OpenAi => "https://api.openai.com/v1",
        ProviderType::Ollama => "http://127.0.0.1:11434",
        ProviderType::ZhipuAi => "https://open.bigmodel.cn/api/paas/v4",
    }
}

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

/// Returns a URL for people: without user, password and query.
pub(super) fn for_people(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have a user, and those have none to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string().trim_end_matches('/').to_owned()
}

/// Tells whether a key sent there could be read on the way.
pub(super) fn is_open_to_listeners(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_loopback = host == "localhost" || host.starts_with("127.") || host == "[::1]";
    url.scheme() == "http" && !is_loopback
}

/// Returns the base URL that `OLLAMA_HOST` stands for, read as Ollama's own client reads it: no scheme means http and
/// port 11434, a scheme brings its own port, and an address to listen on becomes loopback.
pub(super) fn of_ollama_host(text: &str) -> Result<Url, BadUrl> {
    let text = text.trim().trim_matches(['"', '\'']);
    let full = match text.split_once("://") {
        Some(_) => text.to_owned(),
        None if text.split(['/', ':']).next() == Some("ollama.com") => format!("https://{text}"),
        None => with_port(text),
    };
    let mut url = check(&full)?;
    let listens_everywhere = matches!(url.host_str(), Some("0.0.0.0" | "[::]"));
    if listens_everywhere {
        // A host that was parsed as an address takes another address.
        let _ = url.set_host(Some("127.0.0.1"));
    }
    Ok(url)
}

fn with_port(text: &str) -> String {
    const USUAL_PORT: &str = "11434";
    let (host, path) = text
        .split_once('/')
        .map_or((text, ""), |(host, path)| (host, path));
    let bare_ipv6 = host.matches(':').count() > 1 && !host.starts_with('[');
    let host = if bare_ipv6 {
        format!("[{host}]")
    } else if host.is_empty() || host.starts_with(':') {
        format!("127.0.0.1{host}")
    } else {
        host.to_owned()
    };
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port {
        String::new()
    } else {
        format!(":{USUAL_PORT}")
    };
    format!("http://{host}{port}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ollama(text: &str) -> String {
        for_people(&of_ollama_host(text).unwrap())
    }

    #[test]
    fn ollama_host_means_what_ollamas_client_means() {
        assert_eq!(ollama("127.0.0.1"), "http://127.0.0.1:11434");
        assert_eq!(ollama("0.0.0.0:8080"), "http://127.0.0.1:8080");
        assert_eq!(ollama("[::]"), "http://127.0.0.1:11434");
        assert_eq!(ollama("::1"), "http://[::1]:11434");
        assert_eq!(ollama("[::1]:5"), "http://[::1]:5");
        assert_eq!(ollama(":9"), "http://127.0.0.1:9");
        assert_eq!(ollama("gpu.lan/ollama"), "http://gpu.lan:11434/ollama");
        assert_eq!(ollama("http://gpu.lan"), "http://gpu.lan");
        assert_eq!(ollama("https://gpu.lan/x"), "https://gpu.lan/x");
        assert_eq!(ollama("ollama.com"), "https://ollama.com");
        assert!(of_ollama_host("gpu.lan:port").is_err());
    }

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
