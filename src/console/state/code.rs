//! The blocks of code in an answer.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A block of code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CodeBlock {
    /// The language that its fence names, or `code`.
    pub(crate) language: String,
    pub(crate) text: String,
}

/// Finds the blocks of code in a Markdown text, in order, also one that is still open.
pub(crate) fn blocks(markdown: &str) -> Vec<CodeBlock> {
    let mut blocks: Vec<CodeBlock> = Vec::new();
    let mut is_open = false;
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                is_open = true;
                let language = match &kind {
                    CodeBlockKind::Fenced(info) => info.split_whitespace().next(),
                    CodeBlockKind::Indented => None,
                };
                blocks.push(CodeBlock {
                    language: language.unwrap_or("code").to_owned(),
                    text: String::new(),
                });
            }
            Event::End(TagEnd::CodeBlock) => is_open = false,
            Event::Text(text) if is_open => {
                if let Some(block) = blocks.last_mut() {
                    block.text.push_str(&text);
                }
            }
            _ => {}
        }
    }
    blocks.retain(|block| !block.text.is_empty());
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_with_their_languages_also_an_open_one() {
        let found = blocks("a\n\n```rust\nfn x() {}\n```\n\n    indented\n\n~~~\nopen");
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|block| (block.language.as_str(), block.text.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("rust", "fn x() {}\n"),
                ("code", "indented\n"),
                ("code", "open")
            ]
        );
    }
}
