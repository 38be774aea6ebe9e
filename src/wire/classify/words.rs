//! The closed lists: words in `code`, `type` and `status`, and Zhipu's business codes.

use crate::base::ErrorKind;

/// Finds the kind that a word (in lower case) names.
pub(super) fn kind(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "insufficient_quota"
        | "credit_balance_exhausted"
        | "organization_spend_limit_exceeded"
        | "project_spend_limit_exceeded"
        | "organization_usage_limit_exceeded"
        | "billing_error"
        | "billing_hard_limit_reached"
        | "exceeded_current_quota_error"
        | "enforced_spend_limit_reached"
        | "contract_spend_limit_reached"
        | "insufficient_balance" => ErrorKind::QuotaExhausted,
        "context_length_exceeded"
        | "exceed_context_size_error"
        | "token_limit_exceeded"
        | "model_context_window_exceeded"
        | "max_tokens_exceeded" => ErrorKind::ContextLength,
        "content_filter"
        | "content_policy_violation"
        | "responsibleaipolicyviolation"
        | "data_inspection_failed"
        | "datainspectionfailed"
        | "bio_policy"
        | "misalignment_policy_violation"
        | "content_moderation" => ErrorKind::ContentFilter,
        "model_not_found" | "deploymentnotfound" | "modelnotfound" => ErrorKind::NotFoundModel,
        "api_key_invalid"
        | "invalid_api_key"
        | "authentication_error"
        | "unauthenticated"
        | "invalid_authentication_error" => ErrorKind::Auth,
        "permission_error" | "permission_denied" | "unsupported_country_region_territory" => {
            ErrorKind::Permission
        }
        "overloaded_error"
        | "server_is_overloaded"
        | "service_unavailable_error"
        | "unavailable_error"
        | "serviceunavailableerror"
        | "unavailable"
        | "engine_overloaded"
        | "engine_overloaded_error"
        | "provider_overloaded"
        | "overloaded"
        | "insufficient_system_resource" => ErrorKind::Overloaded,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limit_reached_error"
        | "resource_exhausted"
        | "too_many_requests"
        | "rate_limited" => ErrorKind::RateLimited,
        "server_error"
        | "api_error"
        | "internal_error"
        | "internalservererror"
        | "internal"
        | "timeout_error"
        | "deadline_exceeded"
        | "internal_server_error" => ErrorKind::Server,
        _ => return None,
    })
}

/// Finds the kind of one of Zhipu's business codes. HTTP 429 alone says nothing there: it may be money, plan, rate
/// or load.
pub(super) fn zhipu_kind(code: &str) -> Option<ErrorKind> {
    Some(match code {
        "1000" | "1001" | "1002" | "1003" | "1004" | "1005" | "1110" | "1111" | "1112" | "1121" => {
            ErrorKind::Auth
        }
        "500" | "1100" | "1120" | "1200" | "1230" | "1234" => ErrorKind::Server,
        "1113" | "1304" | "1308" | "1309" | "1310" | "1313" | "1314" | "1316" | "1317" | "1318"
        | "1319" | "1320" | "1321" => ErrorKind::QuotaExhausted,
        "1210" | "1212" | "1213" | "1214" | "1215" | "1221" | "1222" | "1231" => {
            ErrorKind::InvalidRequest
        }
        "1211" => ErrorKind::NotFoundModel,
        "1220" | "1311" | "1315" => ErrorKind::Permission,
        "1261" => ErrorKind::ContextLength,
        "1300" | "1301" => ErrorKind::ContentFilter,
        "1302" | "1303" => ErrorKind::RateLimited,
        "1305" | "1312" => ErrorKind::Overloaded,
        _ => return None,
    })
}
