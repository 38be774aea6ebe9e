//! Aligned columns for people.

/// Lays rows out in columns, two blanks between them; the first row is the heading. Ends of lines carry no blanks.
pub(super) fn lay_out(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(cell)).max().unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|row| {
            let cells = row
                .iter()
                .zip(&widths)
                .map(|(cell, most)| format!("{cell}{}", " ".repeat(most - width(cell))));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

/// Returns how many columns a text takes on a terminal, nearly: Chinese, Japanese, Korean and emoji take two each.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(|c| 1 + usize::from(is_wide(c))).sum()
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}')
}

/// Cuts a line to so many columns of a terminal, if it has to be cut.
pub(super) fn fit(line: &str, most: Option<usize>) -> String {
    let Some(most) = most.filter(|most| width(line) > *most) else {
        return line.to_owned();
    };
    let mut cut = String::new();
    let mut used = 1;
    for c in line.chars() {
        used += 1 + usize::from(is_wide(c));
        if used > most {
            break;
        }
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// Returns how many columns the terminal has that standard output goes to; `None` when it goes elsewhere.
pub(super) fn terminal_columns() -> Option<usize> {
    use std::io::IsTerminal;
    std::io::stdout().is_terminal().then(columns).flatten()
}

/// Returns how many columns the terminal has that belongs to this program.
pub(super) fn columns() -> Option<usize> {
    #[cfg(feature = "console")]
    let columns = crossterm::terminal::size()
        .ok()
        .map(|(columns, _)| usize::from(columns));
    #[cfg(not(feature = "console"))]
    let columns: Option<usize> = None;
    // Some terminals say that they have none.
    columns.filter(|columns| *columns >= 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_take_two_columns() {
        let rows = [
            vec!["语义".to_owned(), "X".to_owned()],
            vec!["abcd".to_owned(), "y".to_owned()],
        ];
        assert_eq!(lay_out(&rows), ["语义  X", "abcd  y"]);
        assert_eq!(fit("什么是信号量", Some(8)), "什么是…");
        assert_eq!(fit("permits", Some(7)), "permits");
        assert_eq!(fit("permits", Some(6)), "permi…");
        assert_eq!(fit("permits", None), "permits");
    }

    #[test]
    fn columns_line_up() {
        let rows = [
            vec!["NAME".to_owned(), "X".to_owned()],
            vec!["a".to_owned(), "long".to_owned()],
        ];
        assert_eq!(lay_out(&rows), ["NAME  X", "a     long"]);
    }
}
