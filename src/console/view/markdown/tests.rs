use std::fmt::Write as _;

use proptest::prelude::*;
use ratatui::style::{Modifier, Style};

use super::*;
use crate::console::text::tests::any_text;
use crate::console::text::width;
use crate::console::theme::Role;

const TOUR: &str = include_str!("tests/tour.md");
const TOUR_CJK: &str = include_str!("tests/tour_cjk.md");

fn drawn(source: &str, columns: u16) -> Vec<String> {
    let mut markdown = Markdown::new();
    markdown.push(source);
    markdown.finish();
    text_of(&mut markdown, columns)
}

fn text_of(markdown: &mut Markdown, columns: u16) -> Vec<String> {
    let lines = markdown.lines(columns, &Theme::no_color());
    lines.iter().map(ToString::to_string).collect()
}

/// Draws with a mark around each stretch that is not plain, so that a snapshot shows styles too.
fn styled(source: &str, columns: u16) -> String {
    let mut markdown = Markdown::new();
    markdown.push(source);
    markdown.finish();
    let mut out = String::new();
    for line in markdown.lines(columns, &Theme::no_color()) {
        for span in &line.spans {
            let mark = mark_of(line.style.patch(span.style));
            if mark.is_empty() || span.content.trim().is_empty() {
                out.push_str(&span.content);
            } else {
                write!(out, "{{{mark}:{}}}", span.content).unwrap();
            }
        }
        out.push('\n');
    }
    out
}

fn mark_of(style: Style) -> String {
    [
        (Modifier::BOLD, 'b'),
        (Modifier::DIM, 'd'),
        (Modifier::ITALIC, 'i'),
        (Modifier::UNDERLINED, 'u'),
        (Modifier::CROSSED_OUT, 's'),
    ]
    .into_iter()
    .filter(|(modifier, _)| style.add_modifier.contains(*modifier))
    .map(|(_, mark)| mark)
    .collect()
}

#[test]
fn the_tour_at_three_widths() {
    for columns in [100, 60, 24] {
        insta::assert_snapshot!(format!("tour_{columns}"), drawn(TOUR, columns).join("\n"));
    }
}

#[test]
fn the_tour_in_chinese_at_three_widths() {
    for columns in [100, 48, 20] {
        insta::assert_snapshot!(
            format!("tour_cjk_{columns}"),
            drawn(TOUR_CJK, columns).join("\n")
        );
    }
}

#[test]
fn references_and_what_they_name_are_both_shown() {
    let text = "See [the book][1] and [no link].\n\n[1]: https://example.org/book\n";
    assert_eq!(
        drawn(text, 80),
        [
            "See the book [1] and [no link].",
            "",
            "[1]: https://example.org/book"
        ]
    );
}

#[test]
fn formulas_are_said_in_unicode_and_prices_are_not_formulas() {
    assert_eq!(
        drawn(
            "So \\(a_1 \\le b^2\\), and\n\\[ \\frac{1}{2} \\]\nholds.[^1]",
            60
        ),
        ["So a₁ ≤ b², and", "  1/2", "holds.¹"]
    );
    let prices = "It costs $5 here, $10/$20 there and $x^2$ in `$y^2$`.";
    assert_eq!(
        drawn(prices, 80),
        ["It costs $5 here, $10/$20 there and x² in $y^2$."]
    );
    assert_eq!(drawn("$$\\unknown{x}$$", 40), ["$$\\unknown{x}$$"]);
}

#[test]
fn the_tour_with_its_styles() {
    insta::assert_snapshot!("tour_styled", styled(TOUR, 100));
}

#[test]
fn the_tour_in_ascii_has_no_other_marks() {
    let mut markdown = Markdown::new().ascii(true);
    markdown.push(TOUR);
    markdown.finish();
    for line in text_of(&mut markdown, 60) {
        assert!(line.is_ascii(), "{line}");
    }
}

#[test]
fn no_row_is_too_wide_whatever_the_width() {
    for source in [TOUR, TOUR_CJK] {
        for columns in 2..130 {
            for line in drawn(source, columns) {
                assert!(width(&line) <= usize::from(columns), "{columns}: {line:?}");
            }
        }
    }
}

#[test]
fn table_columns_line_up_with_chinese_in_them() {
    let source = "| 名称 | n |\n|---|--:|\n| 甲乙丙 | 1 |\n| ab | 22 |\n";
    assert_eq!(
        drawn(source, 40),
        ["名称   │  n", "───────┼───", "甲乙丙 │  1", "ab     │ 22"]
    );
}

#[test]
fn cells_wrap_when_the_table_is_too_wide_and_become_records_when_there_is_no_room() {
    let source =
        "| key | what it does |\n|---|---|\n| `Esc` | stops the answer that is running |\n";
    assert_eq!(
        drawn(source, 24),
        [
            "key │ what it does",
            "────┼───────────────────",
            "Esc │ stops the answer",
            "    │ that is running"
        ]
    );
    assert_eq!(
        drawn(source, 9),
        [
            "key: Esc",
            "what it",
            "does:",
            "stops the",
            "answer",
            "that is",
            "running"
        ]
    );
}

#[test]
fn long_lines_of_code_are_broken_with_a_mark_and_keep_their_indent() {
    assert_eq!(
        drawn("```rust\nfn main() {\n\tlet a = \"一二三\";\n}\n```", 14),
        [
            "  rust",
            "  fn main() {",
            "      let a = ",
            "↳ \"一二三\";",
            "  }"
        ]
    );
}

#[test]
fn a_block_of_code_that_is_open_shows_what_is_there() {
    let mut markdown = Markdown::new();
    markdown.push("Look:\n```py");
    assert_eq!(text_of(&mut markdown, 20), ["Look:"]);
    markdown.push("thon\nprint(1)\nprin");
    assert_eq!(
        text_of(&mut markdown, 20),
        ["Look:", "  python", "  print(1)", "  prin"]
    );
    markdown.push("t(2)\n``");
    assert_eq!(
        text_of(&mut markdown, 20),
        ["Look:", "  python", "  print(1)", "  print(2)"]
    );
    assert_eq!(markdown.code_blocks(), ["print(1)\nprint(2)\n``"]);
}

#[test]
fn code_blocks_can_be_copied_wherever_they_stand() {
    let mut markdown = Markdown::new();
    markdown.push("```sh\na\tb\n\nc\n```\n- item\n  ```\n  inner\n  ```\n\nend\n\n    indented\n");
    markdown.finish();
    assert_eq!(
        markdown.code_blocks(),
        ["a\tb\n\nc\n", "inner\n", "indented\n"]
    );
}

#[test]
fn numbers_of_a_list_go_on_through_code_and_blank_lines() {
    let source = "1. one\n\n   text of one\n\n1. two\n   ```\n   x\n   ```\n1. three\n";
    assert_eq!(
        drawn(source, 40),
        [
            "1. one",
            "",
            "   text of one",
            "",
            "2. two",
            "     x",
            "3. three"
        ]
    );
}

#[test]
fn a_link_shows_its_address_once() {
    assert_eq!(
        drawn(
            "[docs](https://e.org/d) <https://e.org> https://e.org/x.",
            80
        ),
        ["docs (https://e.org/d) https://e.org https://e.org/x."]
    );
    let styled = styled("see https://e.org/x. now", 80);
    assert_eq!(styled, "see {u:https://e.org/x}. now\n");
}

#[test]
fn line_breaks_in_the_source_are_blanks_but_not_between_chinese() {
    assert_eq!(drawn("one\ntwo", 40), ["one two"]);
    assert_eq!(drawn("第一\n第二", 40), ["第一第二"]);
    assert_eq!(drawn("中文\nEnglish", 40), ["中文 English"]);
    assert_eq!(drawn("one  \ntwo<br>three", 40), ["one", "two", "three"]);
}

#[test]
fn what_shows_nothing_leaves_no_gap() {
    assert_eq!(drawn("a\n\n[]()\n\nb", 40), ["a", "", "b"]);
}

#[test]
fn nothing_from_a_model_reaches_the_terminal_unclean() {
    let hostile = "a\u{1b}]52;c;aGk=\u{7}b\n\n```\u{1b}[2J\nx\u{9b}31m\n```\n[l](http://e\u{1b}[0m)\n\n|a\u{8}|\n|-|\n|\u{202e}b|\n";
    for line in drawn(hostile, 60) {
        assert!(!line.contains(char::is_control), "{line:?}");
        assert!(!line.contains('\u{202e}'));
    }
}

#[test]
fn deep_nesting_leaves_room_for_the_text() {
    let quotes = format!("{}deep", "> ".repeat(30));
    let lines = drawn(&quotes, 20);
    assert_eq!(lines, ["▎ ▎ ▎ ▎ ▎ deep"]);
    let mut list = String::new();
    for depth in 0..100 {
        writeln!(list, "{}- x", "  ".repeat(depth)).unwrap();
    }
    for line in drawn(&list, 20) {
        assert!(width(&line) <= 20, "{line:?}");
    }
}

#[test]
fn hostile_text_is_bounded() {
    let cases = [
        "*".repeat(200_000),
        "[".repeat(100_000),
        "`".repeat(100_000),
        "> ".repeat(50_000),
        "|a".repeat(50_000),
        format!(
            "{}\n{}\n{}",
            "|a".repeat(2_000),
            "|-".repeat(2_000),
            "|b".repeat(2_000)
        ),
        "<".repeat(100_000),
        "![](".repeat(20_000),
        "- ".repeat(20_000),
        "x".repeat(300_000),
        "1. ```\n".repeat(5_000),
        "\u{301}".repeat(100_000),
        "***bold **and*** _x_".repeat(5_000),
    ];
    for case in cases {
        let start = tokio::time::Instant::now();
        let mut markdown = Markdown::new();
        markdown.push(&case);
        markdown.lines(60, &Theme::no_color());
        markdown.finish();
        markdown.lines(60, &Theme::no_color());
        let took = start.elapsed();
        let head: String = case.chars().take(10).collect();
        assert!(took.as_secs() < 5, "{head:?}: {took:?} in a debug build");
    }
}

#[test]
fn too_much_is_dropped_and_said() {
    let mut markdown = Markdown::new();
    let piece = "word ".repeat(MOST_BYTES / 8);
    markdown.push(&piece);
    markdown.push(&piece);
    markdown.push("more");
    assert!(markdown.source().len() <= MOST_BYTES);
    markdown.finish();
    let lines = text_of(&mut markdown, 200);
    assert_eq!(lines.last().unwrap(), "[the rest is too long to be shown]");
}

#[test]
fn the_cost_of_a_push_does_not_grow_with_the_text() {
    for unit in [
        "A paragraph with *some* words in it, and `code`.\n\n",
        "- an item of a list, which has no blank line at all\n",
        "```\ncode\ncode\n```\n",
        "| a | b |\n",
        "a paragraph that never ends and has no line end either, ",
    ] {
        let unit = unit.repeat(500 / unit.len());
        let mut markdown = Markdown::new();
        markdown.push("| h | i |\n|---|---|\n");
        let theme = Theme::no_color();
        let mut most = [0; 2];
        while markdown.source().len() < 120_000 {
            let half = usize::from(markdown.source().len() > 60_000);
            let before = markdown.work;
            markdown.push(&unit);
            markdown.lines(80, &theme);
            most[half] = most[half].max(markdown.work - before);
        }
        assert!(
            most[1] <= most[0] + unit.len(),
            "{unit:?}: {most:?} bytes drawn for one push"
        );
        assert!(most[1] < 40_000, "{unit:?}: {most:?}");
    }
}

#[test]
fn nothing_is_drawn_again_when_nothing_came() {
    let mut markdown = Markdown::new();
    markdown.push(TOUR);
    markdown.finish();
    let theme = Theme::no_color();
    markdown.lines(80, &theme);
    let work = markdown.work;
    markdown.lines(80, &theme);
    assert_eq!(markdown.work, work);
    markdown.lines(81, &theme);
    assert!(markdown.work >= 2 * work);
}

#[test]
fn a_new_theme_colours_what_is_settled() {
    let mut markdown = Markdown::new();
    markdown.push("# Title\n\ntext\n");
    markdown.finish();
    let dark = Theme::load("dark", &[]).unwrap();
    let light = Theme::load("light", &[]).unwrap();
    let style =
        |markdown: &mut Markdown, theme: &Theme| markdown.lines(40, theme)[0].spans[0].style.fg;
    assert_eq!(style(&mut markdown, &dark), dark.style(Role::Heading).fg);
    assert_eq!(style(&mut markdown, &light), light.style(Role::Heading).fg);
}

#[test]
fn line_ends_of_all_kinds_are_one() {
    let mut markdown = Markdown::new();
    for piece in ["a\r", "\n", "b\r\n\r", "\nc\rd"] {
        markdown.push(piece);
    }
    assert_eq!(markdown.source(), "a\nb\n\nc\nd");
}

/// Markdown as models write it, and worse.
fn any_markdown() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any_text(),
        1 => Just("\n\n".to_owned()),
        1 => Just("\n```rust\nlet x = 1;\n\n".to_owned()),
        1 => Just("\n```\n".to_owned()),
        1 => Just("\n~~~\n".to_owned()),
        1 => Just("\n- item\n  - nested\n\n".to_owned()),
        1 => Just("\n1. one\n2. two\n".to_owned()),
        1 => Just("\n   more of it\n".to_owned()),
        1 => Just("\n| a | 你好 |\n|---|:-:|\n| 1 | 2 |\n".to_owned()),
        1 => Just("| x |\n".to_owned()),
        1 => Just("\n> quote\n> > deeper\n".to_owned()),
        1 => Just("\n## Heading\n".to_owned()),
        1 => Just("\n---\n".to_owned()),
        1 => Just("**bold** _it_ `code` ~~no~~ [l](http://e.org/a_b)".to_owned()),
        1 => Just("<b>html</b>\n<!-- c -->\n".to_owned()),
        1 => Just("***".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => Just("\t\tindented\n".to_owned()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn however_it_is_cut_it_looks_the_same_in_the_end(source in any_markdown(), cuts in proptest::collection::vec(0_usize..400, 0..20)) {
        let theme = Theme::no_color();
        let mut whole = Markdown::new();
        whole.push(&source);
        whole.finish();

        let mut streamed = Markdown::new();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| source.floor_char_boundary(cut)).collect();
        cuts.push(source.len());
        cuts.sort_unstable();
        let mut start = 0;
        for cut in cuts {
            streamed.push(&source[start..cut]);
            streamed.lines(30, &theme);
            start = cut;
        }
        streamed.finish();
        prop_assert_eq!(streamed.source(), whole.source());
        prop_assert_eq!(streamed.lines(30, &theme), whole.lines(30, &theme));
    }

    #[test]
    fn no_row_is_wider_than_asked(source in any_markdown(), columns in 2_u16..60) {
        for line in drawn(&source, columns) {
            prop_assert!(width(&line) <= usize::from(columns), "{:?}", line);
            prop_assert!(!line.contains(char::is_control), "{:?}", line);
        }
    }

    #[test]
    fn settled_pieces_cover_the_source_in_order(source in any_markdown()) {
        let mut markdown = Markdown::new();
        markdown.push(&source);
        markdown.finish();
        let mut at = 0;
        for piece in markdown.scanner.pieces() {
            let skipped = &markdown.source[at..piece.range.start];
            prop_assert!(skipped.trim().is_empty(), "{:?} is in no piece", skipped);
            at = piece.range.end;
        }
        prop_assert!(markdown.source[at..].trim().is_empty());
    }

    #[test]
    fn letters_are_not_lost(words in proptest::collection::vec("[a-z]{1,9}", 1..60), columns in 4_u16..50) {
        let source = words.join(" ");
        let shown: String = drawn(&source, columns).concat();
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(letters(&shown), letters(&source));
    }
}

#[test]
fn a_large_text_is_wrapped_anew_a_little_at_a_time() {
    let text =
        "Some **words** in a paragraph that is wider than forty columns are.\n\n".repeat(5_000);
    let theme = Theme::no_color();
    let mut markdown = Markdown::new();
    markdown.push(&text);
    markdown.finish();
    let wide = markdown.lines(80, &theme).len();
    let mut fresh = Markdown::new();
    fresh.push(&text);
    fresh.finish();
    let narrow = fresh.lines(40, &theme).to_vec();
    assert!(narrow.len() > wide);

    assert_eq!(
        markdown.lines(40, &theme).len(),
        wide,
        "it is shown as it was"
    );
    let at_once = Instant::now();
    let mut frames = 0;
    while !markdown.advance(&theme, at_once) {
        assert_eq!(markdown.lines(40, &theme).len(), wide);
        frames += 1;
    }
    assert!(frames > 10, "{frames}");
    assert_eq!(markdown.lines(40, &theme), narrow);
    assert!(!markdown.is_behind());

    // Twice in a row: the first rows are shown until the last ones are there.
    markdown.lines(80, &theme);
    markdown.advance(&theme, at_once);
    assert_eq!(markdown.lines(100, &theme).len(), narrow.len());
    while !markdown.advance(&theme, at_once) {}
    assert!(markdown.lines(100, &theme).len() < narrow.len());
}
