//! What response headers say about limits.

use super::classify::go_duration;
use crate::base::RateLimits;

/// Reads `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; `headers` is asked by lower-case names. Counts below
/// zero, which some proxies send for "unknown", are ignored.
pub fn rate_limits(headers: &dyn Fn(&str) -> Option<String>) -> RateLimits {
    let count = |name: &str| headers(name)?.trim().parse().ok();
    let duration = |name: &str| go_duration(&headers(name)?);
    RateLimits {
        limit_requests: count("x-ratelimit-limit-requests"),
        remaining_requests: count("x-ratelimit-remaining-requests"),
        reset_requests: duration("x-ratelimit-reset-requests"),
        limit_tokens: count("x-ratelimit-limit-tokens"),
        remaining_tokens: count("x-ratelimit-remaining-tokens"),
        reset_tokens: duration("x-ratelimit-reset-tokens"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_are_read_and_minus_one_is_not_a_limit() {
        let limits = rate_limits(&|name| {
            let value = match name {
                "x-ratelimit-limit-requests" => "60",
                "x-ratelimit-remaining-requests" => " 59 ",
                "x-ratelimit-reset-requests" => "1s",
                "x-ratelimit-limit-tokens" => "-1",
                "x-ratelimit-reset-tokens" => "6m0s",
                _ => return None,
            };
            Some(value.to_owned())
        });
        let expected = RateLimits {
            limit_requests: Some(60),
            remaining_requests: Some(59),
            reset_requests: Some(Duration::from_secs(1)),
            limit_tokens: None,
            remaining_tokens: None,
            reset_tokens: Some(Duration::from_secs(360)),
        };
        assert_eq!(limits, expected);
    }
}
