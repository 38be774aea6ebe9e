//! The conversation as a Markdown file.

use super::chat::Chat;
use crate::console::text;

/// Writes the shown path: each question as a heading, each answer as it came, and under it who gave it.
pub(crate) fn markdown(chat: &Chat) -> String {
    let mut out = String::new();
    for turn in chat.turns() {
        let persona = turn.persona.as_deref();
        let you = persona.map_or("", |persona| persona.you_name.trim());
        let you = if you.is_empty() { "You" } else { you };
        heading(&mut out, you, turn.question.trim_end());
        let replies = turn.replies.iter().enumerate();
        for (_, reply) in replies.filter(|(place, _)| turn.compared || *place == turn.shown) {
            let response = reply.response();
            let role = persona.map_or("", |persona| persona.role_name.trim());
            let instance = response.instance.as_ref().map(ToString::to_string);
            let name = match (role, &instance) {
                ("", Some(instance)) => instance.clone(),
                ("", None) => "Answer".to_owned(),
                (role, _) => role.to_owned(),
            };
            heading(&mut out, &name, "");
            if !response.reasoning.trim().is_empty() {
                out.push_str("<details><summary>Reasoning</summary>\n\n");
                out.push_str(response.reasoning.trim());
                out.push_str("\n\n</details>\n\n");
            }
            if !response.text.trim().is_empty() {
                out.push_str(response.text.trim_end());
                out.push_str("\n\n");
            }
            let mut facts: Vec<String> = instance.into_iter().collect();
            facts.extend(response.model.clone());
            if !response.total_time.is_zero() {
                facts.push(text::duration(response.total_time));
            }
            if !facts.is_empty() {
                out.push('*');
                out.push_str(&facts.join(", "));
                out.push_str("*\n\n");
            }
        }
    }
    out
}

fn heading(out: &mut String, name: &str, text: &str) {
    out.push_str("## ");
    out.push_str(name);
    out.push_str("\n\n");
    if !text.is_empty() {
        out.push_str(text);
        out.push_str("\n\n");
    }
}
