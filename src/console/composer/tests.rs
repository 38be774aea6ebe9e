use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::{Backend as _, TestBackend};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tokio::time::Instant;

use super::*;
use crate::console::text::tests::any_text;
use crate::console::theme::Theme;

fn composer(text: &str) -> Composer {
    let mut composer = Composer::new();
    composer.set_text(text);
    composer
}

fn key(composer: &mut Composer, code: KeyCode) -> bool {
    composer.input(&KeyEvent::new(code, KeyModifiers::NONE))
}

fn control(composer: &mut Composer, c: char) {
    let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    assert!(composer.input(&event), "Ctrl-{c}");
}

fn alt(composer: &mut Composer, code: KeyCode) {
    assert!(composer.input(&KeyEvent::new(code, KeyModifiers::ALT)));
}

fn type_in(composer: &mut Composer, text: &str) {
    for c in text.chars() {
        key(composer, KeyCode::Char(c));
    }
}

/// Draws, and returns the rows without blanks at their ends, and the cursor as (row, column).
fn draw(composer: &Composer, width: u16, height: u16) -> (Vec<String>, (u16, u16)) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::no_color();
    terminal
        .draw(|frame| composer.draw(frame, frame.area(), &theme, true))
        .unwrap();
    let position = terminal.backend_mut().get_cursor_position().unwrap();
    let buffer = terminal.backend().buffer();
    let rows = (0..height)
        .map(|y| {
            let mut row = String::new();
            let mut skip = 0;
            for x in 0..width {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let symbol = buffer[(x, y)].symbol();
                skip = crate::console::text::width(symbol).saturating_sub(1);
                row.push_str(symbol);
            }
            row.trim_end().to_owned()
        })
        .collect();
    (rows, (position.y, position.x))
}

#[test]
fn typing_goes_where_the_cursor_is() {
    let mut composer = Composer::new();
    type_in(&mut composer, "helo");
    key(&mut composer, KeyCode::Left);
    type_in(&mut composer, "l");
    assert_eq!(composer.text(), "hello");
    composer.newline();
    assert_eq!(composer.text(), "hell\no");
    assert_eq!((composer.cursor_row(), composer.cursor_col()), (1, 0));
}

#[test]
fn enter_tab_and_page_keys_are_left_to_who_holds_it() {
    let mut composer = composer("x");
    for code in [
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::PageUp,
        KeyCode::Esc,
        KeyCode::F(1),
    ] {
        assert!(!key(&mut composer, code), "{code:?}");
    }
    let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert!(!composer.input(&event));
    assert_eq!(composer.text(), "x");
}

#[test]
fn a_joined_emoji_is_one_step_and_one_backspace() {
    let mut composer = composer("a👩\u{200d}💻e\u{301}b");
    key(&mut composer, KeyCode::Left);
    assert_eq!(composer.cursor_col(), 3);
    key(&mut composer, KeyCode::Backspace);
    assert_eq!(composer.text(), "a👩\u{200d}💻b");
    key(&mut composer, KeyCode::Backspace);
    assert_eq!(composer.text(), "ab");
}

#[test]
fn the_cursor_stands_behind_what_is_drawn() {
    let (rows, cursor) = draw(&composer("👩\u{200d}💻x"), 12, 1);
    assert_eq!((rows[0].as_str(), cursor), ("👩\u{200d}💻x", (0, 3)));
    let (rows, cursor) = draw(&composer("你好e\u{301}"), 12, 1);
    assert_eq!((rows[0].as_str(), cursor), ("你好e\u{301}", (0, 5)));
    let (rows, cursor) = draw(&composer("⚠\u{fe0f}!"), 12, 1);
    assert_eq!((rows[0].as_str(), cursor), ("⚠!", (0, 2)));
    let (_, cursor) = draw(&composer("a\tb"), 12, 1);
    assert_eq!(cursor, (0, 6));
}

#[test]
fn long_lines_wrap_and_the_cursor_follows() {
    let text = composer("the quick brown fox jumps");
    let (rows, cursor) = draw(&text, 11, 4);
    assert_eq!(rows, ["the quick", "brown fox", "jumps", ""]);
    assert_eq!(cursor, (2, 5));
    assert_eq!(text.desired_height(11, 10), 3);
    assert_eq!(text.desired_height(11, 2), 2);
    assert_eq!(Composer::new().desired_height(11, 5), 1);
}

#[test]
fn chinese_wraps_by_columns_and_no_row_begins_with_a_comma() {
    let (rows, cursor) = draw(&composer("你好世界，再见。这是一句"), 9, 4);
    assert_eq!(rows, ["你好世", "界，再", "见。这是", "一句"]);
    assert_eq!(cursor, (3, 4));
}

#[test]
fn a_full_row_leaves_room_for_the_cursor() {
    let (rows, cursor) = draw(&composer("abcd"), 5, 2);
    assert_eq!(rows, ["abcd", ""]);
    assert_eq!(cursor, (0, 4));
    let mut text = composer("abcd ");
    let (rows, cursor) = draw(&text, 5, 2);
    assert_eq!(
        (rows[0].as_str(), cursor),
        ("abcd", (0, 4)),
        "the blank hangs over the edge"
    );
    type_in(&mut text, "e");
    assert_eq!(draw(&text, 5, 2).1, (1, 1));
}

#[test]
fn it_scrolls_to_the_cursor_and_not_further() {
    let mut text = composer("1\n2\n3\n4\n5");
    assert_eq!(
        draw(&text, 5, 3),
        (vec!["3".into(), "4".into(), "5".into()], (2, 1))
    );
    key(&mut text, KeyCode::Up);
    assert_eq!(draw(&text, 5, 3).0, ["3", "4", "5"]);
    for _ in 0..3 {
        key(&mut text, KeyCode::Up);
    }
    assert_eq!(
        draw(&text, 5, 3),
        (vec!["1".into(), "2".into(), "3".into()], (0, 1))
    );
}

#[test]
fn up_and_down_keep_their_column_through_wrapped_and_short_rows() {
    let mut text = composer("abcdefghij\nx\nabcdef");
    draw(&text, 8, 9);
    key(&mut text, KeyCode::Up);
    assert_eq!((text.cursor_row(), text.cursor_col()), (1, 1));
    key(&mut text, KeyCode::Up);
    assert_eq!(
        (text.cursor_row(), text.cursor_col()),
        (0, 10),
        "the second row of the first line"
    );
    key(&mut text, KeyCode::Up);
    assert_eq!((text.cursor_row(), text.cursor_col()), (0, 6));
    key(&mut text, KeyCode::Up);
    assert_eq!(
        (text.cursor_row(), text.cursor_col()),
        (0, 0),
        "no row above: to its start"
    );
}

#[test]
fn a_click_puts_the_cursor_there() {
    let mut text = composer("你好世界\nabc");
    draw(&text, 20, 3);
    text.click(3, 0);
    assert_eq!((text.cursor_row(), text.cursor_col()), (0, 1));
    text.click(19, 1);
    assert_eq!((text.cursor_row(), text.cursor_col()), (1, 3));
    text.click(0, 2);
    assert_eq!(
        (text.cursor_row(), text.cursor_col()),
        (1, 3),
        "below the text"
    );
}

#[test]
fn words_are_steps_and_cuts() {
    let mut text = composer("cargo test --lib 你好");
    alt(&mut text, KeyCode::Char('b'));
    assert_eq!(text.cursor_col(), 18, "a Chinese character is a word");
    alt(&mut text, KeyCode::Char('b'));
    alt(&mut text, KeyCode::Left);
    assert_eq!(text.cursor_col(), 13);
    control(&mut text, 'w');
    assert_eq!(text.text(), "cargo lib 你好");
    control(&mut text, 'y');
    assert_eq!(text.text(), "cargo test --lib 你好");
    control(&mut text, 'a');
    alt(&mut text, KeyCode::Char('d'));
    assert_eq!(text.text(), " test --lib 你好");
}

#[test]
fn cutting_to_the_ends_of_a_line() {
    let mut text = composer("one\ntwo three");
    alt(&mut text, KeyCode::Char('b'));
    control(&mut text, 'k');
    assert_eq!(text.text(), "one\ntwo ");
    control(&mut text, 'u');
    assert_eq!(text.text(), "one\n");
    control(&mut text, 'u');
    assert_eq!(
        text.text(),
        "one",
        "at the start of a line it joins the line before"
    );
}

#[test]
fn undo_takes_back_words_and_whole_pastes() {
    let mut text = Composer::new();
    type_in(&mut text, "hello world");
    text.insert_str(" pasted here");
    assert!(text.undo());
    assert_eq!(text.text(), "hello world");
    control(&mut text, '_');
    assert_eq!(text.text(), "hello ");
    control(&mut text, '7');
    assert_eq!(text.text(), "");
    assert!(!text.undo());
    alt(&mut text, KeyCode::Char('_'));
    assert!(text.redo() && text.redo());
    assert_eq!(text.text(), "hello world pasted here");
    assert!(!text.redo());
}

#[test]
fn clearing_can_be_undone() {
    let mut text = composer("a long question\nof two lines");
    text.clear();
    assert!(text.is_empty());
    text.undo();
    assert_eq!(text.text(), "a long question\nof two lines");
}

#[test]
fn typing_after_a_move_is_undone_alone() {
    let mut text = Composer::new();
    type_in(&mut text, "ab");
    key(&mut text, KeyCode::Left);
    type_in(&mut text, "c");
    text.undo();
    assert_eq!(text.text(), "ab");
}

#[test]
fn a_paste_has_no_control_characters_and_no_colours() {
    let mut text = Composer::new();
    text.insert_str("a\r\nb\rc\u{1b}[31mred\u{1b}[0m\u{7}\u{9b}2J\td\u{202e}");
    assert_eq!(text.text(), "a\nb\ncred2J\td\u{fffd}");
    let mut fake = Composer::new();
    fake.insert_str("\u{100000}");
    assert_eq!(fake.text(), "\u{fffd}", "nobody can type a chip");
}

#[test]
fn a_large_paste_is_one_word_and_is_sent_whole() {
    let pasted = "line of a log\n".repeat(2_000);
    let mut text = composer("see: ");
    assert_eq!(text.insert_str(&pasted), 0);
    type_in(&mut text, "?");
    assert_eq!(text.text(), format!("see: {pasted}?"));
    let (rows, cursor) = draw(&text, 40, 2);
    assert_eq!(rows, ["see: [paste: 2.0k lines, 28kB]?", ""]);
    assert_eq!(cursor, (0, 31));
    key(&mut text, KeyCode::Backspace);
    key(&mut text, KeyCode::Backspace);
    assert_eq!(text.text(), "see: ");
    text.undo();
    assert_eq!(
        text.text(),
        format!("see: {pasted}?"),
        "undo brings it back whole"
    );
}

#[test]
fn a_large_paste_can_be_opened() {
    let pasted = "x\n".repeat(100);
    let mut text = Composer::new();
    text.insert_str(&pasted);
    assert!(text.expand());
    assert_eq!(text.text(), pasted);
    assert_eq!(text.cursor_row(), 100);
    assert!(!text.expand());
}

#[test]
fn a_chip_in_a_narrow_input_is_cut_to_the_row() {
    let mut text = Composer::new();
    text.insert_str(&"x\n".repeat(100));
    let (rows, cursor) = draw(&text, 8, 2);
    assert_eq!(rows, ["[paste…", ""]);
    assert_eq!(cursor, (0, 7));
}

#[test]
fn pasting_a_megabyte_and_typing_after_it_is_quick() {
    let mut text = Composer::new();
    let start = Instant::now();
    text.insert_str(&"some words and more of them ".repeat(40_000));
    type_in(&mut text, "and a question");
    draw(&text, 80, 10);
    let took = start.elapsed();
    assert!(took.as_millis() < 1_000, "{took:?} even in a debug build");
}

#[test]
fn what_is_too_much_is_left_out_and_said() {
    let mut text = Composer::new();
    assert_eq!(text.insert_str(&"x".repeat(MOST_BYTES + 10)), 10);
    assert_eq!(text.insert_str("more"), 4);
    text.clear();
    assert_eq!(
        text.insert_str(&"y".repeat(MOST_BYTES)),
        0,
        "undo gives way"
    );
    assert_eq!(text.text().len(), MOST_BYTES);
}

#[test]
fn chips_that_nothing_refers_to_are_forgotten() {
    let mut text = Composer::new();
    for _ in 0..9 {
        text.insert_str(&"x".repeat(3 << 18));
        text.clear();
    }
    text.insert_str(&"x".repeat(5_000));
    assert!(text.chips.bytes() <= MOST_BYTES, "{}", text.chips.bytes());
}

#[test]
fn up_and_down_go_through_the_history_and_back_to_the_draft() {
    let mut text = Composer::new();
    for asked in ["first", "second", "second", "  "] {
        text.push(asked);
    }
    type_in(&mut text, "a draft");
    key(&mut text, KeyCode::Up);
    assert_eq!(text.text(), "second");
    key(&mut text, KeyCode::Up);
    assert_eq!(text.text(), "first");
    key(&mut text, KeyCode::Up);
    assert_eq!(text.text(), "first", "there is nothing older");
    key(&mut text, KeyCode::Down);
    key(&mut text, KeyCode::Down);
    assert_eq!(text.text(), "a draft");
    key(&mut text, KeyCode::Down);
    assert_eq!(text.text(), "a draft");
}

#[test]
fn what_is_changed_on_the_way_is_there_on_the_way_back() {
    let mut text = Composer::new();
    text.push("one");
    text.push("two");
    text.prev();
    type_in(&mut text, "!");
    text.prev();
    assert_eq!(text.text(), "one");
    text.next();
    assert_eq!(text.text(), "two!");
    text.next();
    assert_eq!(text.text(), "");
}

#[test]
fn up_passes_a_recalled_text_of_many_lines_in_one_step() {
    let mut text = Composer::new();
    text.push("old");
    text.push("a\nb\nc");
    key(&mut text, KeyCode::Up);
    assert_eq!(text.text(), "a\nb\nc");
    key(&mut text, KeyCode::Up);
    assert_eq!(text.text(), "old");
    key(&mut text, KeyCode::Down);
    key(&mut text, KeyCode::Left);
    key(&mut text, KeyCode::Up);
    assert_eq!(
        (text.text().as_str(), text.cursor_row()),
        ("a\nb\nc", 1),
        "moved in, it is a text like any other"
    );
}

#[test]
fn the_placeholder_shows_while_it_is_empty() {
    let mut text = Composer::new();
    text.set_placeholder("ask something");
    assert_eq!(draw(&text, 10, 1), (vec!["ask some…".into()], (0, 0)));
    type_in(&mut text, "x");
    assert_eq!(draw(&text, 10, 1).0, ["x"]);
}

#[test]
fn an_area_without_room_is_no_trouble() {
    let text = composer("你好 world\n!");
    for (width, height) in [(1, 1), (2, 1), (1, 5), (3, 2)] {
        draw(&text, width, height);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Key(KeyCode, KeyModifiers),
    Paste(String),
    Clear,
    Newline,
    Expand,
    Recall(bool),
    Draw(u16),
    Click(u16, u16),
}

fn any_step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![
        Just(KeyCode::Left),
        Just(KeyCode::Right),
        Just(KeyCode::Up),
        Just(KeyCode::Down),
        Just(KeyCode::Home),
        Just(KeyCode::End),
        Just(KeyCode::Backspace),
        Just(KeyCode::Delete),
        any::<char>().prop_map(KeyCode::Char),
        proptest::sample::select(vec![
            'a', 'e', 'w', 'u', 'k', 'y', '_', 'd', 'h', 'b', 'f', 'n', 'p', '\u{301}', '\u{200d}',
            '👩'
        ])
        .prop_map(KeyCode::Char),
    ];
    let modifiers = proptest::sample::select(vec![
        KeyModifiers::NONE,
        KeyModifiers::CONTROL,
        KeyModifiers::ALT,
    ]);
    prop_oneof![
        8 => (code, modifiers).prop_map(|(code, modifiers)| Step::Key(code, modifiers)),
        2 => any_text().prop_map(Step::Paste),
        1 => Just(Step::Paste("x\n".repeat(40))),
        1 => Just(Step::Clear),
        1 => Just(Step::Newline),
        1 => Just(Step::Expand),
        1 => any::<bool>().prop_map(Step::Recall),
        2 => (1_u16..30).prop_map(Step::Draw),
        1 => (0_u16..30, 0_u16..10).prop_map(|(x, y)| Step::Click(x, y)),
    ]
}

proptest! {
    #[test]
    fn whatever_is_done_undo_leads_back_to_the_start(steps in proptest::collection::vec(any_step(), 0..60)) {
        let mut text = Composer::new();
        text.push("asked before\nin two lines");
        for step in steps {
            match step {
                Step::Key(code, modifiers) => { text.input(&KeyEvent::new(code, modifiers)); }
                Step::Paste(pasted) => { text.insert_str(&pasted); }
                Step::Clear => text.clear(),
                Step::Newline => text.newline(),
                Step::Expand => { text.expand(); }
                Step::Recall(true) => { text.prev(); }
                Step::Recall(false) => { text.next(); }
                Step::Draw(width) => { draw(&text, width, 4); }
                Step::Click(x, y) => text.click(x, y),
            }
            let Place { row, byte } = text.buffer.cursor();
            prop_assert!(row < text.buffer.lines().len() && text.buffer.line(row).is_char_boundary(byte));
        }
        let last = text.text();
        let mut undone = 0;
        while text.undo() {
            undone += 1;
        }
        prop_assert_eq!(text.text(), "");
        for _ in 0..undone {
            text.redo();
        }
        prop_assert_eq!(text.text(), last);
    }

    #[test]
    fn a_click_on_the_cursors_cell_leaves_it_where_it_is(pasted in any_text(), width in 3_u16..30, back in 0_usize..20) {
        let mut text = composer(&pasted);
        for _ in 0..back {
            key(&mut text, KeyCode::Left);
        }
        let (_, (row, column)) = draw(&text, width, 200);
        let before = text.spot(text.buffer.cursor(), Composer::columns_of(width));
        text.click(column, row);
        let after = text.spot(text.buffer.cursor(), Composer::columns_of(width));
        prop_assert_eq!(before.row, after.row);
    }
}
