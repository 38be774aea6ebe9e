use std::time::Duration;

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use super::*;

fn rows(text: &str, columns: usize) -> Vec<&str> {
    wrap(text, columns)
        .into_iter()
        .map(|range| &text[range])
        .collect()
}

#[test]
fn width_counts_columns_not_characters() {
    assert_eq!(width("abc"), 3);
    assert_eq!(width("汉字"), 4);
    assert_eq!(width("e\u{301}"), 1, "a combining mark");
    assert_eq!(width("⚠\u{fe0f}"), 1, "the selector is not drawn");
    assert_eq!(width("👩\u{200d}💻"), 2, "joined to one");
    assert_eq!(width("👍🏽"), 2, "a skin tone");
    assert_eq!(width("🇨🇳"), 2, "a flag");
    assert_eq!(width("한글"), 4);
    assert_eq!(width("a\tb"), 6, "a tab is drawn as four blanks");
    assert_eq!(width("שלום"), 4);
}

#[test]
fn width_is_what_ratatui_draws() {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;
    for text in [
        "abc",
        "汉字",
        "e\u{301}x",
        "👩\u{200d}💻",
        "🇨🇳",
        "ﾊﾟ",
        "👍🏽",
        "a\u{200b}b",
        "⚠\u{fe0f}!",
        "1\u{fe0f}\u{20e3}",
    ] {
        let safe = display_safe(text);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 1));
        let (end, _) = buffer.set_stringn(0, 0, &safe, 20, Style::new());
        assert_eq!(width(text), usize::from(end), "{text:?}");
        assert_eq!(width(&safe), usize::from(end), "{text:?} made safe");
    }
}

#[test]
fn what_is_drawn_has_no_escape_no_tab_and_no_selector() {
    assert_eq!(
        display_safe("\u{1b}[2J\ta⚠\u{fe0f}\r\nb"),
        "\u{fffd}[2J    a⚠\nb"
    );
}

#[test]
fn truncating_never_splits_a_grapheme() {
    assert_eq!(truncate("hello", 5), "hello");
    assert_eq!(truncate("hello!", 5), "hell…");
    assert_eq!(truncate("汉字汉字", 6), "汉字…");
    assert_eq!(truncate("汉字汉字", 8), "汉字汉字");
    assert_eq!(truncate("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
    assert_eq!(truncate("abc", 1), "…");
    assert_eq!(truncate("abc", 0), "");
}

#[test]
fn columns_line_up_whatever_is_in_them() {
    assert_eq!(pad("汉字", 6), "汉字  ");
    assert_eq!(pad("汉字汉", 5), "汉字…");
    assert_eq!(
        pad("汉字汉", 4),
        "汉… ",
        "the wide one that did not fit leaves a blank"
    );
    assert_eq!(align_right("7", 3), "  7");
}

#[test]
fn words_wrap_at_blanks() {
    assert_eq!(rows("the quick brown fox", 10), ["the quick", "brown fox"]);
    assert_eq!(rows("a  b", 1), ["a", "b"]);
    assert_eq!(rows("", 10), [""]);
    assert_eq!(rows("one\n\ntwo", 10), ["one", "", "two"]);
    assert_eq!(rows("    indented words", 12), ["    indented", "words"]);
}

#[test]
fn a_word_longer_than_the_row_is_cut() {
    assert_eq!(rows("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    assert_eq!(rows("x abcdefgh", 4), ["x", "abcd", "efgh"]);
}

#[test]
fn flags_and_numbers_stay_whole_but_hyphenated_words_break() {
    assert_eq!(rows("use --verbose now", 9), ["use", "--verbose", "now"]);
    assert_eq!(rows("well-known-thing", 11), ["well-known-", "thing"]);
}

#[test]
fn chinese_breaks_anywhere_but_before_its_punctuation() {
    assert_eq!(rows("你好世界，再见。", 8), ["你好世", "界，再", "见。"]);
    assert_eq!(rows("他说（你好）吗", 6), ["他说", "（你", "好）吗"]);
    assert_eq!(rows("使用 ratatui 来绘制", 12), ["使用 ratatui", "来绘制"]);
}

#[test]
fn blanks_at_the_end_stay_as_far_as_they_fit() {
    assert_eq!(rows("ab   ", 4), ["ab  "]);
    assert_eq!(rows("      ", 4), ["    ", "  "]);
}

#[test]
fn durations_are_short() {
    let text = |micros| duration(Duration::from_micros(micros));
    assert_eq!(text(0), "0 ms");
    assert_eq!(text(999), "<1 ms");
    assert_eq!(text(340_000), "340 ms");
    assert_eq!(text(999_499), "999 ms");
    assert_eq!(text(999_500), "1.0 s");
    assert_eq!(text(2_149_000), "2.1 s");
    assert_eq!(text(59_949_999), "59.9 s");
    assert_eq!(text(59_950_000), "1 m 00 s");
    assert_eq!(text(65_900_000), "1 m 05 s");
    assert_eq!(text(12_000_000_000), "3 h 20 m");
    assert_eq!(text(1_047_600_000_000), "12 d 3 h");
    assert_eq!(duration(Duration::MAX), ">99999 d");
}

#[test]
fn counts_are_short() {
    assert_eq!(count(0), "0");
    assert_eq!(count(999), "999");
    assert_eq!(count(1_250), "1.2k");
    assert_eq!(count(12_900), "12k");
    assert_eq!(count(999_999), "999k");
    assert_eq!(count(3_400_000), "3.4M");
    assert_eq!(count(u64::MAX), "18E");
}

#[test]
fn a_percentage_does_not_round_a_failure_away() {
    assert_eq!(percent(1.0), "100%");
    assert_eq!(percent(0.99999), "99.9%");
    assert_eq!(percent(0.998), "99.8%");
    assert_eq!(percent(0.5), "50%");
    assert_eq!(percent(0.00001), "0.1%");
    assert_eq!(percent(0.0), "0%");
    assert_eq!(percent(f64::NAN), "-");
}

#[test]
fn rates_are_short() {
    assert_eq!(rate(0.0), "0/s");
    assert_eq!(rate(0.01), "<0.1/s");
    assert_eq!(rate(0.42), "0.4/s");
    assert_eq!(rate(48.3), "48/s");
    assert_eq!(rate(1_234.0), "1.2k/s");
    assert_eq!(rate(f64::INFINITY), "-");
}

/// Text as models and people write it, and worse: wide, combining, joined, blank, hostile.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,12}",
        2 => Just(" ".to_owned()),
        1 => Just("    ".to_owned()),
        1 => Just("\n".to_owned()),
        2 => "[一-龥]{1,6}",
        1 => "[，。（）「」、！]",
        1 => Just("👩\u{200d}👩\u{200d}👧".to_owned()),
        1 => Just("e\u{301}\u{302}".to_owned()),
        1 => Just("⌚".to_owned()),
        1 => "-[a-z]",
        1 => Just("\u{a0}".to_owned()),
        1 => any::<char>().prop_map(|c| display_safe(&c.to_string())),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn wrapping_never_exceeds_the_width(text in any_text(), columns in 2_usize..30) {
        for row in rows(&text, columns) {
            prop_assert!(width(row) <= columns, "{row:?} in {columns}");
        }
    }

    #[test]
    fn wrapping_loses_nothing_but_blanks_at_breaks(text in any_text(), columns in 1_usize..30) {
        let mut at = 0;
        for range in wrap(&text, columns) {
            prop_assert!(text[at..range.start].chars().all(char::is_whitespace));
            prop_assert!(range.end >= range.start);
            at = range.end;
        }
        prop_assert!(text[at..].chars().all(char::is_whitespace));
    }

    #[test]
    fn wrapping_never_splits_a_grapheme(text in any_text(), columns in 1_usize..30) {
        let boundaries: Vec<usize> = text
            .grapheme_indices(true)
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect();
        for range in wrap(&text, columns) {
            prop_assert!(boundaries.contains(&range.start) && boundaries.contains(&range.end));
        }
    }

    #[test]
    fn padding_is_exact(text in any_text(), columns in 0_usize..30) {
        let line = crate::base::clean_line(&text);
        prop_assert_eq!(width(&pad(&line, columns)), columns);
        prop_assert_eq!(width(&align_right(&line, columns)), columns);
    }

    #[test]
    fn figures_keep_their_width(micros: u64, number: u64, share in -0.5_f64..1.5, per_second in 0.0_f64..1e12) {
        prop_assert!(width(&duration(Duration::from_micros(micros))) <= 9);
        prop_assert!(width(&count(number)) <= 4);
        prop_assert!(width(&percent(share)) <= 5);
        prop_assert!(width(&rate(per_second)) <= 6);
    }
}
