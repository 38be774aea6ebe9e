//! What the simulated models say: how to use the console, by topic, in Markdown.

mod pieces;

pub(super) use pieces::pieces;
use pieces::{blocks, is_wide};

/// A text and the words that call for it.
#[derive(Debug)]
struct Topic {
    /// Beginnings of words in lower case; Chinese ones may stand anywhere.
    keywords: &'static [&'static str],
    text: &'static str,
}

macro_rules! topic {
    ($file:literal, [$($keyword:literal),* $(,)?]) => {
        Topic {
            keywords: &[$($keyword),*],
            text: include_str!(concat!("texts/", $file, ".md")),
        }
    };
}

static ENGLISH: [Topic; 14] = [
    topic!(
        "welcome",
        [
            "hello",
            "hi ",
            "hey",
            "welcome",
            "start",
            "begin",
            "help",
            "what can you",
            "who are you",
            "llmdeck"
        ]
    ),
    topic!(
        "keys",
        [
            "key", "shortcut", "press", "enter", "esc", "ctrl", "quit", "new line", "newline",
            "prompt", "history", "paste"
        ]
    ),
    topic!(
        "pool",
        [
            "pool",
            "instance",
            "toggle",
            "switch",
            "space",
            "drain",
            "state",
            "in flight"
        ]
    ),
    topic!(
        "metrics",
        [
            "metric",
            "percentile",
            "p50",
            "p95",
            "p99",
            "latency",
            "success rate",
            "sparkline",
            "graph",
            "figure",
            "average",
            "throughput",
            "response time"
        ]
    ),
    topic!(
        "config",
        [
            "config",
            "setting",
            "set up",
            "setup",
            "toml",
            "provider",
            "connect",
            "api key",
            "own key",
            "example config"
        ]
    ),
    topic!(
        "environment",
        [
            "environment",
            "env ",
            "variable",
            "openai_",
            "zhipuai_",
            "ollama_host",
            "without a config",
            "11434"
        ]
    ),
    topic!(
        "strategies",
        [
            "strateg",
            "round robin",
            "round-robin",
            "balanc",
            "choose",
            "chosen",
            "which instance",
            "fair",
            "queue"
        ]
    ),
    topic!(
        "limits",
        [
            "limit",
            "permit",
            "interval",
            "budget",
            "per minute",
            "concurren",
            "429",
            "throttl"
        ]
    ),
    topic!(
        "errors",
        [
            "error",
            "fail",
            "retry",
            "retries",
            "breaker",
            "wrong",
            "broken",
            "outage",
            "exit code"
        ]
    ),
    topic!(
        "library",
        [
            "library", "driver", "crate", "rust", "code", "program", "embed", "callback", "api "
        ]
    ),
    topic!(
        "themes",
        [
            "theme", "colour", "color", "dark", "light", "no_color", "ansi"
        ]
    ),
    topic!(
        "commands",
        [
            "command", "cli", "shell", "pipe", "stdin", "json", "script", "terminal", "one shot"
        ]
    ),
    topic!(
        "demo",
        [
            "demo",
            "simulat",
            "fake",
            "load",
            "six",
            "seed",
            "what are you",
            "real"
        ]
    ),
    topic!(
        "streaming",
        [
            "stream",
            "token",
            "cancel",
            "stop",
            "timeout",
            "time-out",
            "first word",
            "reasoning",
            "answer arrive"
        ]
    ),
];

static CHINESE: [Topic; 3] = [
    topic!(
        "zh_welcome",
        [
            "你好",
            "您好",
            "按键",
            "快捷键",
            "面板",
            "帮助",
            "怎么用",
            "如何使用",
            "介绍"
        ]
    ),
    topic!(
        "zh_config",
        [
            "配置",
            "接入",
            "密钥",
            "环境变量",
            "智谱",
            "实例",
            "提供方",
            "设置",
            "permits"
        ]
    ),
    topic!(
        "zh_metrics",
        [
            "指标",
            "延迟",
            "响应时间",
            "成功率",
            "百分位",
            "统计",
            "性能",
            "token"
        ]
    ),
];

static EXCUSES: [&str; 4] = [
    "I cannot answer that: I am a simulated model inside llmdeck and know only this program. So, about that:",
    "That is beyond a simulated model. What I can do is tell you about the program you are using:",
    "A real model would answer this. I am a simulated one, and all I know is llmdeck, for example this:",
    "I did not understand that, and never will: I am simulated. Here is something about llmdeck instead:",
];

static CHINESE_EXCUSE: &str =
    "这个问题我答不了：我是模拟模型，只了解 llmdeck 本身。下面是它的一点介绍：";

static THOUGHTS: [&str; 4] = [
    "The question is about this program, and I am a simulated model inside it. I look for the topic that fits best, keep it short, and say what I am. A list or a table is easier to read than a long paragraph.",
    "First: what does the person want to know? Probably how to do something, not why. I take the text on that topic. I must not claim to know more than is written there, because I am simulated.",
    "Let me see which words of the question I know. One of my topics has most of them. I answer from it and leave the rest. An example helps more than a definition.",
    "I cannot think, but I can show what thinking looks like in a stream: it comes before the answer, is kept apart from it, and counts as output tokens. Now the answer.",
];

static CHINESE_THOUGHT: &str =
    "先看问题里有哪些我认识的词，再选最合适的主题来回答。我是模拟模型，不能装作知道更多。";

/// Returns an answer to a question; `pick` decides where several are equally good.
pub(super) fn answer(question: &str, pick: u64) -> String {
    let topics = topics(question);
    let question = question.to_lowercase();
    let best = topics
        .iter()
        .map(|topic| (topic.score(&question), topic))
        .rev()
        .max_by_key(|(score, _)| *score);
    match best {
        Some((score, topic)) if score > 0 => topic.text.trim_end().to_owned(),
        _ => {
            let text = at(topics, pick).map_or("", |topic| topic.text);
            let excuse = if is_chinese(&question) {
                CHINESE_EXCUSE
            } else {
                at(&EXCUSES, pick / 16).copied().unwrap_or_default()
            };
            format!("{excuse}\n\n{}", text.trim_end())
        }
    }
}

/// Returns an answer of about so many tokens: whole blocks of Markdown, more topics when one is too short.
pub(super) fn answer_of_length(question: &str, pick: u64, tokens: usize) -> String {
    let mut text = answer(question, pick);
    let topics = topics(question);
    let mut next = pick;
    while pieces(&text).len() < tokens {
        next = next.wrapping_add(1);
        let Some(topic) = at(topics, next) else {
            break;
        };
        text.push_str("\n\n");
        text.push_str(topic.text.trim_end());
    }
    let mut end = 0;
    for block in blocks(&text) {
        let shorter = pieces(&text[..end]).len().abs_diff(tokens);
        let longer = pieces(&text[..block.end]).len().abs_diff(tokens);
        if end > 0 && shorter <= longer {
            break;
        }
        end = block.end;
    }
    text.truncate(end);
    text
}

/// Returns what a model may think aloud before it answers.
pub(super) fn thought(question: &str, pick: u64) -> &'static str {
    if is_chinese(question) {
        CHINESE_THOUGHT
    } else {
        at(&THOUGHTS, pick).copied().unwrap_or_default()
    }
}

impl Topic {
    /// Counts in how many places of a question in lower case this topic is named.
    fn score(&self, question: &str) -> usize {
        let named = |keyword: &str| {
            question.match_indices(keyword).any(|(at, _)| {
                let before = question[..at].chars().next_back();
                keyword.starts_with(is_wide) || !before.is_some_and(char::is_alphanumeric)
            })
        };
        self.keywords
            .iter()
            .filter(|keyword| named(keyword))
            .map(|keyword| 1 + keyword.chars().filter(|c| *c == ' ').count())
            .sum()
    }
}

fn topics(question: &str) -> &'static [Topic] {
    if is_chinese(question) {
        &CHINESE
    } else {
        &ENGLISH
    }
}

fn at<T>(all: &[T], pick: u64) -> Option<&T> {
    all.get((pick % all.len().max(1) as u64) as usize)
}

fn is_chinese(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn title(question: &str) -> String {
        let answer = answer(question, 5);
        answer.lines().next().unwrap().to_owned()
    }

    #[test]
    fn a_question_gets_its_topic() {
        assert_eq!(title("Hello!"), "## Welcome to llmdeck");
        assert_eq!(title("Which keys are there?"), "## Keys of the console");
        assert_eq!(
            title("what do p95 and p99 mean"),
            "## Reading the metrics pane"
        );
        assert_eq!(
            title("How do I set up my own provider in the config?"),
            "## Connecting your own providers"
        );
        assert_eq!(
            title("How does round robin choose?"),
            "## Which instance answers"
        );
        assert_eq!(
            title("what is a permit"),
            "## Limits: permits, intervals, budgets"
        );
        assert_eq!(
            title("show me Rust code"),
            "## The driver in your own program"
        );
        assert_eq!(title("Why did it fail?"), "## When something fails");
        assert_eq!(title("is there a light theme"), "## Themes and colours");
        assert_eq!(title("can I use it in a shell pipe"), "## The command line");
        assert_eq!(title("what is this demo"), "## What you see in the demo");
        assert_eq!(
            title("which environment variables are read"),
            "## Without a config file"
        );
        assert_eq!(
            title("what does the pool pane show"),
            "## Reading the pool pane"
        );
        assert_eq!(title("how does streaming work"), "## How an answer arrives");
    }

    #[test]
    fn a_chinese_question_gets_a_chinese_answer() {
        assert_eq!(title("你好"), "## 欢迎使用 llmdeck");
        assert_eq!(title("怎么配置密钥？"), "## 接入自己的模型");
        assert_eq!(title("成功率是什么意思"), "## 指标怎么看");
        assert!(answer("今天天气如何", 1).starts_with(CHINESE_EXCUSE));
    }

    #[test]
    fn another_question_gets_an_excuse_and_rotates() {
        let first = answer("Who wrote Hamlet?", 0);
        assert!(first.starts_with(EXCUSES[0]));
        assert_ne!(first, answer("Who wrote Hamlet?", 1));
        assert_eq!(first, answer("Who wrote Hamlet?", 0));
    }

    #[test]
    fn every_text_says_that_it_is_simulated_and_is_worth_reading() {
        for topic in &ENGLISH {
            let words = topic.text.split_whitespace().count();
            assert!((80..=250).contains(&words), "{words}: {}", topic.text);
            assert!(topic.text.contains("simulated"), "{}", topic.text);
            assert!(topic.text.starts_with("## "));
        }
        for topic in &CHINESE {
            let characters = topic.text.chars().count();
            assert!((80..=500).contains(&characters), "{characters}");
            assert!(topic.text.contains("模拟模型"));
        }
    }

    #[test]
    fn a_wanted_length_is_met_within_a_block_and_code_stays_whole() {
        for wanted in [1, 20, 60, 150, 400, 1000] {
            let text = answer_of_length("show me rust code", 3, wanted);
            let got = pieces(&text).len();
            assert!(got >= 1 && got.abs_diff(wanted) <= 60, "{got} for {wanted}");
            assert_eq!(text.matches("```").count() % 2, 0, "{text}");
        }
    }
}
