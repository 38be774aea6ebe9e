//! Stories of how it looks: choosing a theme, moving the lines between panes, the hints of a first run.

use std::fs;
use std::time::Duration;

use insta::assert_snapshot;
use ratatui::crossterm::event::{MouseButton, MouseEventKind};
use ratatui::style::Color;

use super::fake::{Fake, board, quiet_board};
use super::harness::Harness;
use crate::base::{Error, ErrorKind};
use crate::console::theme::Theme;
use crate::console::{Context, Memory, Settings};

fn fake() -> Fake {
    let fake = Fake::new(quiet_board(&["one", "two"]));
    fake.has_no_traffic();
    fake
}

async fn remembering(folder: &tempfile::TempDir, settings: Settings) -> Harness {
    let context = Context {
        memory: Memory::open(folder.path().join("console.json"), true),
        theme_dirs: vec![folder.path().join("themes")],
        ..Context::default()
    };
    Harness::start_whole((140, 30), fake(), context, Theme::no_color(), settings).await
}

fn remembered(folder: &tempfile::TempDir) -> String {
    fs::read_to_string(folder.path().join("console.json")).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn the_arrows_try_a_theme_on_esc_goes_back_and_enter_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let console = remembering(&folder, Settings::default()).await;
    console.press("f2").await;
    assert_snapshot!(console.screen());
    let before = console.colours_of("Chat");
    console.press("down").await;
    let dark = console.colours_of("Chat");
    assert_ne!(before, dark, "tried on at once");
    assert_eq!(dark.1, Color::Reset, "the terminal's own ground stays");
    console.press("space").await;
    assert_ne!(
        console.colours_of("Chat").1,
        Color::Reset,
        "painted when asked"
    );
    console.press("esc").await;
    assert_ne!(console.colours_of("Chat"), dark);
    assert_eq!(remembered(&folder), "", "nothing was chosen");

    console.press("f2 down enter").await;
    assert!(console.shows("dark from now on"));
    assert_eq!(console.colours_of("Chat"), dark);
    assert!(remembered(&folder).contains("\"theme\": \"dark\""));
    console.press("f2").await;
    assert!(console.shows("\u{2713} dark"), "the list marks it");
}

#[tokio::test(start_paused = true)]
async fn a_theme_of_ones_own_is_in_the_list_and_a_wrong_one_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let themes = folder.path().join("themes");
    fs::create_dir(&themes).unwrap();
    fs::write(
        themes.join("mine.toml"),
        "about = \"my own\"\nextends = \"nord\"\n[roles]\ntitle = \"#010203\"\n",
    )
    .unwrap();
    fs::write(themes.join("broken.toml"), "[roles]\ntitel = \"red\"\n").unwrap();
    let console = remembering(&folder, Settings::default()).await;
    console.press("f2 G").await;
    assert!(console.shows("my own"), "{}", console.screen());
    assert_eq!(console.colours_of("Chat").0, Color::Rgb(1, 2, 3));
    assert!(
        console.shows("unknown role 'titel'"),
        "{}",
        console.screen()
    );
    console.press("up enter").await;
    assert!(
        console.shows("did you mean 'title'"),
        "{}",
        console.screen()
    );
    assert_eq!(remembered(&folder), "", "what cannot be shown is not kept");
}

#[tokio::test(start_paused = true)]
async fn a_theme_in_the_config_wins_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        theme: Some("nord".to_owned()),
        ..Settings::default()
    };
    let console = remembering(&folder, settings).await;
    console.press("f2 down enter").await;
    assert!(console.shows("until you leave; the config names another one"));
}

async fn split(size: (u16, u16)) -> Harness {
    Harness::start(size, Fake::new(board())).await
}

/// The column or row at which a text stands.
fn place(console: &Harness, text: &str) -> (usize, usize) {
    let screen = console.screen();
    let (row, line) = screen
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains(text))
        .unwrap_or_else(|| panic!("not on the screen: {text}"));
    let at = line.find(text).unwrap_or_default();
    (line[..at].chars().count(), row)
}

#[tokio::test(start_paused = true)]
async fn the_lines_between_panes_are_dragged_and_stay_where_they_were_put() {
    let console = split((120, 40)).await;
    let (column, _) = place(&console, "2 Pool");
    let line = column as u16 - 3;
    let drag = |from: (u16, u16), to: (u16, u16)| {
        let console = &console;
        async move {
            console.click(from.0, from.1).await;
            let left = MouseButton::Left;
            console.mouse(MouseEventKind::Drag(left), to.0, to.1).await;
            console.mouse(MouseEventKind::Up(left), to.0, to.1).await;
        }
    };
    drag((line, 20), (line - 15, 22)).await;
    assert_eq!(place(&console, "2 Pool").0, column - 15);
    console
        .mouse(MouseEventKind::Drag(MouseButton::Left), 90, 3)
        .await;
    assert_eq!(place(&console, "2 Pool").0, column - 15, "let go is let go");

    let (x, row) = place(&console, "3 Metrics");
    drag((x as u16, row as u16), (x as u16, row as u16 + 6)).await;
    assert_eq!(place(&console, "3 Metrics").1, row + 6);
    drag((x as u16, row as u16 + 6), (x as u16, 0)).await;
    assert_eq!(
        place(&console, "3 Metrics").1,
        6,
        "every pane keeps five rows"
    );
    console.resize(100, 40).await;
    console.resize(120, 40).await;
    assert_eq!(place(&console, "2 Pool").0, column - 15);
}

#[tokio::test(start_paused = true)]
async fn keys_give_the_focused_pane_more_room() {
    let console = split((80, 24)).await;
    let (_, row) = place(&console, "2 Pool");
    console.press("alt-0 alt-0").await;
    assert_eq!(place(&console, "2 Pool").1, row + 2, "the chat grows");
    let (column, _) = place(&console, "3 Metrics");
    console.press("alt-3 )").await;
    assert_eq!(
        place(&console, "3 Metrics").0,
        column - 2,
        "the metrics grow"
    );
    console.press("( (").await;
    assert_eq!(place(&console, "3 Metrics").0, column + 2);
    console.press("z )").await;
    assert!(console.shows("no neighbour"));
}

#[tokio::test(start_paused = true)]
async fn a_first_run_gives_three_hints_and_then_none() {
    let folder = tempfile::tempdir().unwrap();
    let console = remembering(&folder, Settings::default()).await;
    assert!(
        !console.shows("leaves the prompt"),
        "not before it is of use"
    );
    let asked = console.ask("hello").await;
    asked.says("hi");
    asked.done("one");
    console.settle().await;
    let hint = "Esc leaves the prompt; there y copies, r asks again, ? shows all keys";
    assert!(console.shows(hint), "it is whole");
    console.press("alt-2").await;
    assert!(!console.shows("switches an instance"), "one at a time");
    console.wait(Duration::from_secs(13)).await;
    console.press("j").await;
    assert!(console.shows("Space switches an instance on or off"));
    console.wait(Duration::from_secs(13)).await;
    console.press("alt-1").await;
    let asked = console.ask("again").await;
    asked.fails(Error::new(ErrorKind::Network, "no route"));
    console.settle().await;
    assert!(console.shows("Alt-5 tells what went wrong"));
    assert!(remembered(&folder).contains("failure"));

    let console = remembering(&folder, Settings::default()).await;
    let asked = console.ask("hello").await;
    asked.says("hi");
    asked.done("one");
    console.press("alt-2 j").await;
    assert!(!console.shows("leaves the prompt") && !console.shows("switches an instance"));
}

#[tokio::test(start_paused = true)]
async fn without_animations_nothing_moves_by_time_alone() {
    let settings = Settings {
        animations: false,
        ..Settings::default()
    };
    let console = Harness::start_set((100, 30), fake(), settings).await;
    let _asked = console.ask("slow").await;
    console.settle().await;
    let frames = console.frames();
    console.wait(Duration::from_secs(60)).await;
    assert_eq!(console.frames(), frames);
    assert!(console.shows("stops"));
}
