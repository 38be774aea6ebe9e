//! What error messages say where no code does. Asked last, and only for the statuses where it can be true.

use std::sync::LazyLock;

use regex::Regex;

static CONTEXT: LazyLock<Regex> = LazyLock::new(|| {
    compile(concat!(
        "(?i)maximum context length|context length exceeded|exceeds? the available context",
        "|prompt is too long|prompt too long|exceeds? (the )?context (limit|length|window)",
        "|exceeds max length|longer than the (model's )?context length|input tokens exceed",
        "|reduce the length of the messages|exceeds the maximum number of tokens|prompt 超长",
    ))
});

static CONTENT: LazyLock<Regex> = LazyLock::new(|| {
    compile(concat!(
        "(?i)content[ _]?filter|content management policy|content exists risk",
        "|data may contain inappropriate|敏感内容|不安全或敏感",
    ))
});

static MODEL: LazyLock<Regex> = LazyLock::new(|| {
    compile(concat!(
        r"(?is)model\b.{0,120}(does not exist|not found|is not available|not supported by any)",
        r#"|unknown model:? ?['"`]|no such model|模型不存在|modelcode"#,
    ))
});

static MONEY: LazyLock<Regex> = LazyLock::new(|| {
    compile(concat!(
        "(?i)insufficient balance|exceeded your current quota|credit balance is too low",
        "|(session|weekly|monthly|daily|api) usage limit|余额不足|欠费",
    ))
});

static TRY_AGAIN: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(?i)try again in ((?:[0-9.]+(?:ms|h|m|s))+)"));

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and a test compiles each"
)]
fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

/// Tells whether a message says that the prompt does not fit.
pub(super) fn is_about_context(message: &str) -> bool {
    CONTEXT.is_match(message)
}

/// Tells whether a message says that moderation refused.
pub(super) fn is_about_content(message: &str) -> bool {
    CONTENT.is_match(message)
}

/// Tells whether a message says that the model is not there.
pub(super) fn is_about_model(message: &str) -> bool {
    MODEL.is_match(message)
}

/// Tells whether a message says that money or plan is used up.
pub(super) fn is_about_money(message: &str) -> bool {
    MONEY.is_match(message)
}

/// Returns the duration that a message asks to wait, as it is written (`1m2.5s`).
pub(super) fn try_again_in(message: &str) -> Option<&str> {
    Some(TRY_AGAIN.captures(message)?.get(1)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_finds_its_phrase() {
        assert!(is_about_context("This model's Maximum Context Length is 8"));
        assert!(is_about_content("输入含敏感内容"));
        assert!(is_about_model("The model `x`\ndoes not exist"));
        assert!(!is_about_model("models are many, none does not exist"));
        assert!(is_about_money("账户欠费"));
        assert_eq!(try_again_in("Please Try Again in 1m2.5s."), Some("1m2.5s"));
        assert_eq!(try_again_in("try again in a while"), None);
    }
}
