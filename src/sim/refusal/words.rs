//! The words of each provider type.

use super::{Reason, Refusal, Words};
use crate::base::{ErrorKind, ProviderType};

/// Returns status, code and message of a refusal.
pub(super) fn of(provider_type: ProviderType, refusal: &Refusal) -> Words {
    match provider_type {
        ProviderType::OpenAi => openai(refusal),
        ProviderType::Ollama => ollama(&refusal.reason),
        ProviderType::ZhipuAi => zhipuai(&refusal.reason),
    }
}

fn words(status: u16, kind: ErrorKind, code: Option<&str>, message: impl Into<String>) -> Words {
    Words {
        status,
        kind,
        code: code.map(str::to_owned),
        message: message.into(),
    }
}

fn openai(refusal: &Refusal) -> Words {
    let wait = refusal.wait.map_or_else(String::new, |wait| {
        format!(" Please try again in {:.3}s.", wait.as_secs_f64())
    });
    let limited = |what: &str| {
        words(
            429,
            ErrorKind::RateLimited,
            Some("rate_limit_exceeded"),
            format!("Rate limit reached for {what}.{wait}"),
        )
    };
    match &refusal.reason {
        Reason::NoKey => words(
            401,
            ErrorKind::Auth,
            None,
            "You didn't provide an API key. Provide it in an Authorization header using Bearer auth.",
        ),
        Reason::WrongKey | Reason::ExpiredKey => words(
            401,
            ErrorKind::Auth,
            Some("invalid_api_key"),
            "Incorrect API key provided.",
        ),
        Reason::Forbidden => words(
            403,
            ErrorKind::Permission,
            Some("unsupported_country_region_territory"),
            "Country, region, or territory not supported",
        ),
        Reason::UnknownModel(model) => words(
            404,
            ErrorKind::NotFoundModel,
            Some("model_not_found"),
            format!("The model `{model}` does not exist or you do not have access to it."),
        ),
        Reason::NoQuota => words(
            429,
            ErrorKind::QuotaExhausted,
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Reason::RateLimited { tokens: true } => limited("tokens per minute"),
        Reason::RateLimited { tokens: false } => limited("requests per minute"),
        Reason::TooMany => limited("concurrent requests"),
        Reason::Busy | Reason::BadGateway => words(
            503,
            ErrorKind::Overloaded,
            Some("server_is_overloaded"),
            "The server is currently overloaded. Please try again later.",
        ),
        Reason::Overloaded => words(529, ErrorKind::Overloaded, Some("overloaded"), "Overloaded"),
        Reason::Internal => words(
            500,
            ErrorKind::Server,
            None,
            "The server had an error while processing your request.",
        ),
        Reason::Filtered => words(
            400,
            ErrorKind::ContentFilter,
            Some("content_policy_violation"),
            "Your request was rejected as a result of our safety system.",
        ),
        Reason::TooLong => words(
            400,
            ErrorKind::ContextLength,
            Some("context_length_exceeded"),
            "Your input exceeds the context window of this model.",
        ),
        Reason::BadRequest(message) => words(400, ErrorKind::InvalidRequest, None, message),
        Reason::TooLarge => words(413, ErrorKind::InvalidRequest, None, "Payload too large"),
        Reason::Business(code) => words(
            500,
            ErrorKind::Server,
            None,
            format!("The server had an error ({code})."),
        ),
    }
}

fn ollama(reason: &Reason) -> Words {
    let (status, kind, message) = match reason {
        Reason::NoKey | Reason::WrongKey | Reason::ExpiredKey => {
            (401, ErrorKind::Auth, "unauthorized".to_owned())
        }
        Reason::Forbidden => (
            403,
            ErrorKind::Permission,
            "this model requires a subscription, upgrade for access".to_owned(),
        ),
        Reason::UnknownModel(model) => (
            404,
            ErrorKind::NotFoundModel,
            format!("model '{model}' not found"),
        ),
        Reason::NoQuota => (
            429,
            ErrorKind::QuotaExhausted,
            "you (sim) have reached your weekly usage limit, upgrade for higher limits".to_owned(),
        ),
        Reason::RateLimited { .. } | Reason::TooMany => {
            (429, ErrorKind::RateLimited, "too many requests".to_owned())
        }
        // Two blanks, as in the original.
        Reason::Busy | Reason::BadGateway => (
            503,
            ErrorKind::Overloaded,
            "server busy, please try again.  maximum pending requests exceeded".to_owned(),
        ),
        Reason::Overloaded => (529, ErrorKind::Overloaded, "overloaded".to_owned()),
        Reason::Internal => (
            500,
            ErrorKind::Server,
            "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error"
                .to_owned(),
        ),
        Reason::Filtered => (
            400,
            ErrorKind::ContentFilter,
            "request stopped by content filter".to_owned(),
        ),
        Reason::TooLong => (
            400,
            ErrorKind::ContextLength,
            "the input length exceeds the context length".to_owned(),
        ),
        Reason::BadRequest(message) => (400, ErrorKind::InvalidRequest, message.clone()),
        Reason::TooLarge => (
            413,
            ErrorKind::InvalidRequest,
            "http: request body too large".to_owned(),
        ),
        Reason::Business(code) => (500, ErrorKind::Server, format!("internal error {code}")),
    };
    words(status, kind, None, message)
}

fn zhipuai(reason: &Reason) -> Words {
    let (status, kind, code, message) = match reason {
        Reason::NoKey => (
            401,
            ErrorKind::Auth,
            1001,
            "Header 中未收到 Authorization 参数，无法进行身份验证",
        ),
        Reason::WrongKey => (401, ErrorKind::Auth, 1000, "身份验证失败"),
        Reason::ExpiredKey => (
            401,
            ErrorKind::Auth,
            1003,
            "Authentication Token 已过期，请重新生成",
        ),
        Reason::Forbidden => (403, ErrorKind::Permission, 1220, "你无权访问该 API"),
        Reason::UnknownModel(_) => (
            400,
            ErrorKind::NotFoundModel,
            1211,
            "模型不存在，请检查模型代码",
        ),
        Reason::NoQuota => (
            429,
            ErrorKind::QuotaExhausted,
            1113,
            "你的账户已欠费，请充值后重试",
        ),
        Reason::RateLimited { .. } | Reason::TooMany => (
            429,
            ErrorKind::RateLimited,
            1302,
            "当前 API 请求过多，请降低频率后重试",
        ),
        Reason::Busy | Reason::BadGateway => (
            503,
            ErrorKind::Overloaded,
            1305,
            "当前模型访问量过大，请稍后再试",
        ),
        Reason::Overloaded => (
            529,
            ErrorKind::Overloaded,
            1305,
            "当前模型访问量过大，请稍后再试",
        ),
        Reason::Internal => (500, ErrorKind::Server, 1200, "API 调用失败"),
        Reason::Filtered => (
            400,
            ErrorKind::ContentFilter,
            1301,
            "此次输入被判定为不安全或敏感",
        ),
        Reason::TooLong => (400, ErrorKind::ContextLength, 1261, "Prompt 超长"),
        Reason::BadRequest(message) => (400, ErrorKind::InvalidRequest, 1210, message.as_str()),
        Reason::TooLarge => (413, ErrorKind::InvalidRequest, 1210, "请求体过大"),
        Reason::Business(code) => {
            let (status, kind) = business(*code);
            (status, kind, *code, "业务错误")
        }
    };
    words(status, kind, Some(&code.to_string()), message)
}

/// The usual status of a business code.
const fn business(code: u16) -> (u16, ErrorKind) {
    match code {
        1000..=1005 => (401, ErrorKind::Auth),
        1220 => (403, ErrorKind::Permission),
        1113 | 1304 | 1308..=1310 | 1313 | 1314 | 1316..=1321 => (429, ErrorKind::QuotaExhausted),
        1302 | 1303 => (429, ErrorKind::RateLimited),
        1305 | 1312 => (429, ErrorKind::Overloaded),
        1311 | 1315 => (429, ErrorKind::Permission),
        1261 => (400, ErrorKind::ContextLength),
        1300 | 1301 => (400, ErrorKind::ContentFilter),
        1211 => (400, ErrorKind::NotFoundModel),
        1210..=1222 | 1231 => (400, ErrorKind::InvalidRequest),
        _ => (500, ErrorKind::Server),
    }
}
