use std::fs;

use ratatui::style::Modifier;

use super::color::{Rgb, contrast, rgb};
use super::*;
use crate::base::ErrorKind;

/// What WCAG AA asks of text.
const AA_TEXT: f64 = 4.5;
/// What WCAG AA asks of graphs and of what shows the focus.
const AA_GRAPHICS: f64 = 3.0;

/// Roles that only separate; no meaning is lost with them.
const DECORATION: [Role; 2] = [Role::Border, Role::BarEmpty];
const GRAPHICS: [Role; 8] = [
    Role::BorderFocused,
    Role::GraphLatency,
    Role::GraphSuccess,
    Role::GraphTokens,
    Role::GraphQueue,
    Role::GraphMark,
    Role::Bar,
    Role::BarFull,
];

fn builtin() -> impl Iterator<Item = Theme> {
    Theme::builtin_names()
        .iter()
        .map(|name| Theme::load(name, &[]).unwrap())
}

fn wrong(text: &str) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    fs::write(&path, text).unwrap();
    let error = Theme::load(path.to_str().unwrap(), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let folder = format!("{}/", dir.path().display());
    (
        error.message().replace(&folder, ""),
        error.hint().replace(&folder, ""),
    )
}

fn mine(text: &str) -> Theme {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("mine.toml"), text).unwrap();
    Theme::load("mine", &[dir.path().to_owned()]).unwrap()
}

#[test]
fn every_theme_can_be_read_by_people_with_weak_eyes() {
    let mut checked = 0;
    let mut weak = Vec::new();
    for theme in builtin() {
        for depth in [Depth::True, Depth::Ansi256] {
            let theme = theme.clone().at_depth(depth);
            let (Some(ground_fg), Some(ground_bg)) = (rgb(theme.ground.0), rgb(theme.ground.1))
            else {
                assert_eq!(theme.mode(), Mode::Any, "{} says no ground", theme.name());
                continue;
            };
            for role in Role::ALL {
                let style = theme.style(*role);
                let mut fg = style.fg.and_then(rgb).unwrap_or(ground_fg);
                let mut bg = style.bg.and_then(rgb).unwrap_or(ground_bg);
                if style.add_modifier.contains(Modifier::REVERSED) {
                    (fg, bg) = (bg, fg);
                }
                let wanted = if DECORATION.contains(role) {
                    1.2
                } else if GRAPHICS.contains(role) {
                    AA_GRAPHICS
                } else {
                    AA_TEXT
                };
                let got = contrast(fg, bg);
                if got < wanted {
                    let (name, role) = (theme.name(), role.name());
                    weak.push(format!("{name} ({depth:?}): {role} {got:.2} of {wanted}"));
                }
                checked += 1;
            }
        }
    }
    assert!(weak.is_empty(), "too little contrast:\n{}", weak.join("\n"));
    assert!(checked >= 4 * Role::COUNT, "{checked} styles looked at");
}

#[test]
fn dim_is_not_added_to_colours_that_were_measured_without_it() {
    for theme in builtin().filter(|theme| theme.mode() != Mode::Any) {
        for role in Role::ALL {
            let style = theme.style(*role);
            assert!(
                !style.add_modifier.contains(Modifier::DIM),
                "{}: {}",
                theme.name(),
                role.name()
            );
        }
    }
}

#[test]
fn the_ansi_theme_has_no_colour_of_its_own_and_paints_no_ground() {
    let theme = Theme::load("ansi", &[]).unwrap();
    for role in Role::ALL {
        let style = theme.style(*role);
        assert_eq!(style.fg.and_then(rgb), None, "{}", role.name());
        assert_eq!(style.bg, None, "{}", role.name());
    }
    assert_eq!(theme.style(Role::Text), Style::new());
}

#[test]
fn the_theme_without_colours_still_shows_focus_selection_and_failure() {
    let theme = Theme::no_color();
    for role in Role::ALL {
        let style = theme.style(*role);
        assert_eq!((style.fg, style.bg), (None, None), "{}", role.name());
    }
    let differs = |a: Role, b: Role| assert_ne!(theme.style(a), theme.style(b), "{a:?} {b:?}");
    differs(Role::Selected, Role::Text);
    differs(Role::Selected, Role::SelectedUnfocused);
    differs(Role::BorderFocused, Role::Border);
    differs(Role::Bad, Role::Good);
    differs(Role::Bad, Role::Warn);
    differs(Role::Match, Role::MatchCurrent);
    differs(Role::Key, Role::Text);
}

#[test]
fn every_theme_says_something_about_itself_and_styles_every_role_apart() {
    for theme in builtin() {
        assert!(!theme.about().is_empty(), "{}", theme.name());
        assert_ne!(theme.style(Role::Selected), theme.style(Role::Text));
        assert_ne!(theme.style(Role::BorderFocused), theme.style(Role::Border));
        assert_ne!(theme.style(Role::User), theme.style(Role::Assistant));
    }
    let mut names: Vec<&str> = Theme::builtin_names().to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Theme::builtin_names().len());
}

#[test]
fn no_theme_paints_the_background_unasked() {
    for theme in builtin() {
        assert_eq!(theme.background(), None, "{}", theme.name());
    }
}

#[test]
fn a_painted_theme_has_its_own_text_colour_too() {
    let theme = Theme::load("dark", &[]).unwrap().painted(true);
    assert_eq!(theme.background(), Some(Color::Rgb(0x28, 0x2c, 0x34)));
    assert_eq!(
        theme.style(Role::Text).fg,
        Some(Color::Rgb(0xd7, 0xda, 0xe0)),
        "the terminal's own may be black"
    );
    let ansi = Theme::load("ansi", &[]).unwrap().painted(true);
    assert_eq!(ansi.background(), None, "it knows of no ground");
}

#[test]
fn a_theme_of_ones_own_says_only_what_differs() {
    let theme = mine(
        "extends = \"dark\"\n[palette]\nblue = \"#00aaff\"\n[roles]\nkey = { fg = \"blue\", underline = true }\n",
    );
    let blue = Color::Rgb(0, 0xaa, 0xff);
    assert_eq!(theme.name(), "mine");
    assert_eq!(theme.style(Role::Key).fg, Some(blue));
    assert_eq!(
        theme.style(Role::Title).fg,
        Some(blue),
        "a colour of the palette that is replaced is replaced everywhere"
    );
    let dark = Theme::load("dark", &[]).unwrap();
    assert_eq!(theme.style(Role::Good), dark.style(Role::Good));
    assert_ne!(theme.fingerprint(), dark.fingerprint());
}

#[test]
fn a_theme_that_extends_nothing_gets_the_rest_from_the_one_of_its_mode() {
    let theme = mine("mode = \"light\"\n[roles]\ntitle = \"#123\"\n");
    let light = Theme::load("light", &[]).unwrap();
    assert_eq!(theme.style(Role::Good), light.style(Role::Good));
    let title = Color::Rgb(0x11, 0x22, 0x33);
    assert_eq!(theme.style(Role::Title).fg, Some(title));
}

#[test]
fn ones_own_dark_may_extend_the_programs_dark() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("dark.toml"),
        "extends = \"dark\"\n[roles]\ntitle = \"208 on 17\"\n",
    )
    .unwrap();
    let theme = Theme::load("dark", &[dir.path().to_owned()]).unwrap();
    assert_eq!(theme.style(Role::Title).fg, Some(Color::Indexed(208)));
    assert_eq!(theme.style(Role::Title).bg, Some(Color::Indexed(17)));
    let other = Theme::load("ansi", &[dir.path().to_owned()]).unwrap();
    assert_eq!(other.name(), "ansi");
}

#[test]
fn a_wrong_role_is_named_with_its_line_and_the_right_one() {
    let (message, hint) = wrong("# mine\n[roles]\ntext = \"\"\nborder_focussed = \"red\"\n");
    assert_eq!(message, "mine.toml:4: unknown role 'border_focussed'");
    assert_eq!(hint, "did you mean 'border_focused'?");
}

#[test]
fn wrong_colours_are_named_where_they_are_said() {
    let (message, hint) = wrong("[roles]\ntitle = \"blu bold\"\n");
    assert_eq!(message, "mine.toml:2: unknown color 'blu'");
    assert_eq!(hint, "did you mean 'blue'?");

    let (message, hint) = wrong("[palette]\nblue = \"#12345\"\n");
    assert_eq!(message, "mine.toml:2: unknown color '#12345'");
    assert_eq!(hint, "a color is #rgb or #rrggbb, in hexadecimal digits");

    let (message, _) = wrong("[palette]\na = \"b\"\nb = \"a\"\n[roles]\ntitle = \"a\"\n");
    assert!(
        message.ends_with("name one another in a circle"),
        "{message}"
    );
}

#[test]
fn wrong_styles_are_explained() {
    let (message, hint) = wrong("[roles]\ntitle = \"red blod\"\n");
    assert_eq!(
        message,
        "mine.toml:2: 'blod' after the color 'red' is no modifier"
    );
    assert_eq!(hint, "did you mean 'bold'?");

    let (message, _) = wrong("[roles]\ntitle = \"red on\"\n");
    assert_eq!(message, "mine.toml:2: no color after 'on' in 'red on'");

    let (message, hint) = wrong("[roles]\ntitle = { fg = \"red\", blod = true }\n");
    assert_eq!(message, "mine.toml:2: unknown key 'blod' in a style");
    assert_eq!(hint, "did you mean 'bold'?");

    let (message, _) = wrong("[roles]\ntitle = 7\n");
    assert_eq!(
        message,
        "mine.toml:2: a role must be a string or a table, not integer"
    );
}

#[test]
fn wrong_files_are_explained() {
    let (message, _) = wrong("[roles\n");
    assert!(message.starts_with("mine.toml:1: "), "{message}");

    let (message, hint) = wrong("extend = \"dark\"\n");
    assert_eq!(message, "mine.toml:1: unknown key 'extend'");
    assert_eq!(hint, "did you mean 'extends'?");

    let (message, hint) = wrong("\nextends = \"drak\"\n");
    assert_eq!(message, "mine.toml:2: no theme 'drak'");
    assert_eq!(hint, "did you mean 'dark'?");

    let (message, hint) = wrong("mode = \"dusk\"\n");
    assert_eq!(message, "mine.toml:1: unknown mode 'dusk'");
    assert_eq!(hint, "mode is \"dark\", \"light\" or \"any\"");
}

#[test]
fn a_circle_of_themes_is_found() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), "extends = \"b\"\n").unwrap();
    fs::write(dir.path().join("b.toml"), "extends = \"a\"\n").unwrap();
    let error = Theme::load("a", &[dir.path().to_owned()]).unwrap_err();
    assert!(
        error
            .message()
            .contains("b.toml:1: themes extend one another in a circle"),
        "{error}"
    );
}

#[test]
fn an_unknown_theme_is_met_with_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("midnight.toml"), "").unwrap();
    let dirs = [dir.path().to_owned()];
    let error = Theme::load("midnigth", &dirs).unwrap_err();
    assert_eq!(error.message(), "no theme 'midnigth'");
    assert_eq!(error.hint(), "did you mean 'midnight'?");
    let error = Theme::load("qwertyuiop", &dirs).unwrap_err();
    assert!(
        error.hint().starts_with("known are dark, light"),
        "{}",
        error.hint()
    );
    let error = Theme::load("./nowhere.toml", &dirs).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("cannot read theme ./nowhere.toml"),
        "{error}"
    );
}

fn env(term: &str, colorterm: &str) -> TermEnv {
    TermEnv {
        term: term.to_owned(),
        colorterm: colorterm.to_owned(),
        ..TermEnv::default()
    }
}

#[test]
fn without_a_setting_the_terminal_decides() {
    let chosen = |env: &TermEnv| Theme::choose(None, env).unwrap().name().to_owned();
    let mut rich = env("xterm-256color", "truecolor");
    assert_eq!(chosen(&rich), "ansi", "nothing is known of the ground");
    rich.background = Some((255, 255, 255));
    assert_eq!(chosen(&rich), "light");
    rich.background = Some((20, 20, 30));
    assert_eq!(chosen(&rich), "dark");
    rich.no_color = true;
    assert_eq!(chosen(&rich), "no-color");
    let mut console = env("linux", "");
    console.background = Some((0, 0, 0));
    assert_eq!(chosen(&console), "ansi");
}

#[test]
fn a_named_theme_comes_in_the_colours_the_terminal_has() {
    let style = |env: &TermEnv| Theme::choose(Some("dark"), env).unwrap().style(Role::Good);
    assert_eq!(
        style(&env("xterm-256color", "truecolor")).fg,
        Some(Color::Rgb(0x8f, 0xd9, 0x8f))
    );
    assert!(matches!(
        style(&env("xterm-256color", "")).fg,
        Some(Color::Indexed(16..))
    ));
    assert!(matches!(style(&env("linux", "")).fg, Some(color) if rgb(color).is_none()));
    let mut mono = env("xterm-256color", "truecolor");
    mono.no_color = true;
    assert_eq!(style(&mono).fg, None);
    assert!(
        Theme::choose(Some("drak"), &mono).is_err(),
        "a wrong name is wrong everywhere"
    );
}

#[test]
fn the_measure_itself_fails_what_cannot_be_read() {
    assert!(contrast(Rgb(0x77, 0x77, 0x77), Rgb(0x99, 0x99, 0x99)) < AA_GRAPHICS);
}
