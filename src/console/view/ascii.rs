//! For terminals without Unicode: whatever was drawn, only ASCII leaves.

use ratatui::buffer::Buffer;

use crate::console::text;

/// Replaces every symbol that is not ASCII; a wide one by two marks, so that columns stay.
pub(crate) fn only(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if !cell.symbol().is_ascii() {
            let instead = instead_of(cell.symbol());
            cell.set_symbol(instead);
        }
    }
}

fn instead_of(symbol: &str) -> &'static str {
    match symbol {
        "·" | "•" | "◦" | "▪" | "–" | "—" | "─" | "━" | "═" => "-",
        "│" | "┃" | "▌" | "▏" | "▎" => "|",
        "├" | "┤" | "┬" | "┴" | "┼" | "╭" | "╮" | "╰" | "╯" | "┌" | "┐" | "└" | "┘" => {
            "+"
        }
        "…" => "~",
        "✓" => "+",
        "✗" | "×" => "x",
        "›" | "▸" | "→" => ">",
        "↓" => "v",
        "↑" => "^",
        "←" => "<",
        "“" | "”" | "„" => "\"",
        "‘" | "’" => "'",
        "\u{a0}" => " ",
        wide if text::width(wide) > 1 => "??",
        _ => "?",
    }
}
