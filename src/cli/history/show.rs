//! A conversation, and all of them in figures, for people.

use std::io::{self, Write};

use super::super::report::Failure;
use super::super::style::Style;
use super::local;
use crate::base::{Conversation, KeptMessage, MessageState, Role, clean, clean_line};
use crate::store::Figures;

/// Writes a conversation: the branch that is shown. On a terminal its text is cleaned; in a pipe it stays as it came.
pub(super) fn conversation(
    chat: &Conversation,
    with_reasoning: bool,
    out: &mut dyn Write,
    is_terminal: bool,
    style: Style,
) -> Result<(), Failure> {
    let shown = |text: &str| {
        if is_terminal {
            clean(text)
        } else {
            text.to_owned()
        }
    };
    let path = chat.path();
    let title = match chat.title.as_str() {
        "" => "(nothing asked yet)".to_owned(),
        title => clean_line(title),
    };
    writeln!(out, "{}", style.strong(&title))?;
    let mut facts = vec![chat.id.to_string(), local(chat.created_at)];
    facts.extend(chat.tags.iter().map(|tag| format!("#{}", clean_line(tag))));
    facts.extend(chat.pinned.then(|| "pinned".to_owned()));
    let elsewhere = chat.messages.len() - path.len();
    if elsewhere > 0 {
        facts.push(format!("{elsewhere} messages in other branches"));
    }
    writeln!(out, "{}", style.faint(&facts.join("  ")))?;
    if let Some(system) = chat.system.as_deref().filter(|text| !text.is_empty()) {
        writeln!(
            out,
            "\n{}\n{}",
            style.helpful("system"),
            shown(system).trim_end()
        )?;
    }
    for said in path {
        writeln!(out, "\n{}", style.helpful(&speaker(said)))?;
        let reasoning = said.message.reasoning.as_deref().filter(|_| with_reasoning);
        if let Some(reasoning) = reasoning {
            writeln!(out, "{}\n", style.faint(shown(reasoning).trim_end()))?;
        }
        writeln!(out, "{}", shown(&said.message.content.to_text()).trim_end())?;
        for call in &said.message.tool_calls {
            let name = clean_line(call.name.as_deref().unwrap_or("?"));
            writeln!(
                out,
                "calls {name}({})",
                clean_line(&call.arguments.to_text())
            )?;
        }
        if let Some(note) = note(said) {
            writeln!(out, "{}", style.doubtful(&note))?;
        }
    }
    if !chat.draft.is_empty() {
        writeln!(out, "\n{}\n{}", style.helpful("draft"), shown(&chat.draft))?;
    }
    Ok(())
}

fn speaker(said: &KeptMessage) -> String {
    let mut words = match said.message.role {
        Role::System => "system".to_owned(),
        Role::User => "you".to_owned(),
        Role::Assistant => "answer".to_owned(),
        Role::Tool => "tool".to_owned(),
    };
    words.push_str("  ");
    words.push_str(&local(said.at));
    if let Some(facts) = &said.answer {
        for fact in [
            facts
                .instance
                .as_ref()
                .map(|name| clean_line(name.as_str())),
            facts.model.as_deref().map(clean_line),
            facts
                .usage
                .and_then(|usage| usage.completion_tokens)
                .map(|tokens| format!("{tokens} tokens")),
            (!facts.total_time.is_zero())
                .then(|| format!("{:.1} s", facts.total_time.as_secs_f64())),
            facts.cost.map(|cost| format!("${cost:.5}")),
        ]
        .into_iter()
        .flatten()
        {
            words.push_str("  ");
            words.push_str(&fact);
        }
    }
    words
}

/// Says what is wrong with an answer.
fn note(said: &KeptMessage) -> Option<String> {
    match said.state {
        MessageState::Whole => None,
        MessageState::Streaming => Some("(still coming in)".to_owned()),
        MessageState::Stopped => Some("(stopped)".to_owned()),
        MessageState::Cut => {
            Some("(cut: the program ended here; 'llmdeck chat --continue ID' goes on)".to_owned())
        }
        MessageState::Failed => {
            let error = said.answer.as_ref().and_then(|facts| facts.error.as_ref());
            let why = error
                .map(|error| format!(": {} {}", error.kind.words(), clean_line(&error.message)));
            Some(format!("(failed{})", why.unwrap_or_default().trim_end()))
        }
    }
}

/// Writes what there is in all.
pub(super) fn figures(figures: &Figures, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    if json {
        let json = serde_json::to_string_pretty(figures).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    let time = |at: Option<jiff::Timestamp>| at.map_or_else(|| "-".to_owned(), local);
    for (name, value) in [
        ("conversations", figures.conversations.to_string()),
        ("questions", figures.questions.to_string()),
        ("answers", figures.answers.to_string()),
        ("cut answers", figures.cut.to_string()),
        ("characters", figures.characters.to_string()),
        ("prompt tokens", figures.prompt_tokens.to_string()),
        ("answer tokens", figures.completion_tokens.to_string()),
        ("cost", cost(figures)),
        ("oldest", time(figures.oldest)),
        ("newest", time(figures.newest)),
        (
            "on disk",
            format!("{:.1} MiB", figures.bytes as f64 / (1 << 20) as f64),
        ),
    ] {
        writeln!(out, "{name:14} {value}")?;
    }
    for (number, (model, answers)) in figures.models.iter().take(10).enumerate() {
        let name = if number == 0 { "answers by" } else { "" };
        writeln!(out, "{name:14} {answers:<6} {}", clean_line(model))?;
    }
    Ok(())
}

/// What nobody knows the price of costs 'unknown', never nothing.
fn cost(figures: &Figures) -> String {
    match (figures.cost, figures.unpriced) {
        (None, _) => "unknown".to_owned(),
        (Some(cost), 0) => format!("${cost:.4}"),
        (Some(cost), unpriced) => format!("${cost:.4}, and unknown of {unpriced} answers"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_cost_is_never_told_as_nothing() {
        let of = |known, unpriced| {
            cost(&Figures {
                cost: known,
                unpriced,
                ..Figures::default()
            })
        };
        assert_eq!(of(None, 3), "unknown");
        assert_eq!(of(Some(0.25), 0), "$0.2500");
        assert_eq!(of(Some(0.25), 2), "$0.2500, and unknown of 2 answers");
    }
}
