//! Colours as numbers: their names, their contrast, and the nearest one a poorer terminal can show.

use ratatui::style::Color;

use crate::console::term_env::Depth;

/// A 24-bit colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rgb(pub(crate) u8, pub(crate) u8, pub(crate) u8);

/// The names of the sixteen colours of a terminal's own palette, in their order.
pub(crate) const ANSI_NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

const ANSI: [Color; 16] = [
    Color::Black,
    Color::Red,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Magenta,
    Color::Cyan,
    Color::Gray,
    Color::DarkGray,
    Color::LightRed,
    Color::LightGreen,
    Color::LightYellow,
    Color::LightBlue,
    Color::LightMagenta,
    Color::LightCyan,
    Color::White,
];

/// xterm's values of the sixteen; other terminals differ, which is why nothing but a last fallback uses them.
const ANSI_RGB: [Rgb; 16] = [
    Rgb(0, 0, 0),
    Rgb(205, 0, 0),
    Rgb(0, 205, 0),
    Rgb(205, 205, 0),
    Rgb(0, 0, 238),
    Rgb(205, 0, 205),
    Rgb(0, 205, 205),
    Rgb(229, 229, 229),
    Rgb(127, 127, 127),
    Rgb(255, 0, 0),
    Rgb(0, 255, 0),
    Rgb(255, 255, 0),
    Rgb(92, 92, 255),
    Rgb(255, 0, 255),
    Rgb(0, 255, 255),
    Rgb(255, 255, 255),
];

/// Reads `#rgb`, `#rrggbb`, a name of the sixteen, a number of the 256, or `default`.
pub(crate) fn parse(text: &str) -> Option<Color> {
    if let Some(hex) = text.strip_prefix('#') {
        return hex_color(hex).map(|Rgb(r, g, b)| Color::Rgb(r, g, b));
    }
    if text == "default" {
        return Some(Color::Reset);
    }
    if let Ok(index) = text.parse::<u8>() {
        return Some(Color::Indexed(index));
    }
    let index = ANSI_NAMES.iter().position(|name| *name == text)?;
    Some(ANSI[index])
}

fn hex_color(hex: &str) -> Option<Rgb> {
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let number = u32::from_str_radix(hex, 16).ok()?;
    match hex.len() {
        3 => {
            let part = |shift: u32| (((number >> shift) & 0xf) * 17) as u8;
            Some(Rgb(part(8), part(4), part(0)))
        }
        6 => Some(Rgb((number >> 16) as u8, (number >> 8) as u8, number as u8)),
        _ => None,
    }
}

/// Returns the values of a colour, if it has fixed ones: the sixteen and `default` are the terminal's own.
pub(crate) fn rgb(color: Color) -> Option<Rgb> {
    match color {
        Color::Rgb(r, g, b) => Some(Rgb(r, g, b)),
        Color::Indexed(index @ 16..) => Some(cube_rgb(index)),
        _ => None,
    }
}

/// Brings a colour down to what the terminal can show.
pub(crate) fn at_depth(color: Color, depth: Depth) -> Color {
    let Some(rgb) = rgb(color) else {
        return match (depth, color) {
            (Depth::Mono, _) => Color::Reset,
            (_, color) => color,
        };
    };
    match (depth, color) {
        (Depth::Mono, _) => Color::Reset,
        (Depth::Ansi16, _) => nearest_ansi(rgb),
        (Depth::Ansi256, Color::Rgb(..)) => Color::Indexed(nearest_cube(rgb)),
        (Depth::Ansi256 | Depth::True, color) => color,
    }
}

/// Returns the values of a colour of the cube or the grey ramp; below 16 the terminal decides.
fn cube_rgb(index: u8) -> Rgb {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match index {
        0..16 => ANSI_RGB[usize::from(index)],
        16..232 => {
            let index = usize::from(index - 16);
            Rgb(LEVELS[index / 36], LEVELS[index / 6 % 6], LEVELS[index % 6])
        }
        232.. => {
            let level = 8 + 10 * (index - 232);
            Rgb(level, level, level)
        }
    }
}

fn nearest_cube(rgb: Rgb) -> u8 {
    (16..=255)
        .min_by_key(|index| distance(rgb, cube_rgb(*index)))
        .unwrap_or(16)
}

fn nearest_ansi(rgb: Rgb) -> Color {
    let index = (0..16).min_by_key(|index| distance(rgb, ANSI_RGB[*index]));
    ANSI[index.unwrap_or(7)]
}

/// Squared distance, weighted by how the eye weighs the parts ("redmean"), in arbitrary units.
fn distance(a: Rgb, b: Rgb) -> u32 {
    let mean = i32::midpoint(i32::from(a.0), i32::from(b.0));
    let red = i32::from(a.0) - i32::from(b.0);
    let green = i32::from(a.1) - i32::from(b.1);
    let blue = i32::from(a.2) - i32::from(b.2);
    let sum =
        (((512 + mean) * red * red) >> 8) + 4 * green * green + (((767 - mean) * blue * blue) >> 8);
    sum.unsigned_abs()
}

/// Contrast of two colours, 1 to 21, as WCAG 2.2 defines it.
#[cfg(test)]
pub(crate) fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[cfg(test)]
fn luminance(Rgb(r, g, b): Rgb) -> f64 {
    let part = |value: u8| {
        let value = f64::from(value) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_in_every_spelling() {
        assert_eq!(parse("#fff"), Some(Color::Rgb(255, 255, 255)));
        assert_eq!(parse("#1e2a3B"), Some(Color::Rgb(0x1e, 0x2a, 0x3b)));
        assert_eq!(parse("bright-black"), Some(Color::DarkGray));
        assert_eq!(parse("208"), Some(Color::Indexed(208)));
        assert_eq!(parse("default"), Some(Color::Reset));
        for wrong in ["#ffff", "#ggg", "256", "blurple", "", "#", "#+12"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quantising_keeps_exact_colours_and_finds_near_ones() {
        let quantised = |r, g, b| at_depth(Color::Rgb(r, g, b), Depth::Ansi256);
        assert_eq!(quantised(255, 0, 0), Color::Indexed(196));
        assert_eq!(quantised(95, 135, 175), Color::Indexed(67));
        assert_eq!(quantised(128, 128, 128), Color::Indexed(244));
        assert_eq!(
            at_depth(Color::Rgb(250, 10, 10), Depth::Ansi16),
            Color::LightRed
        );
        assert_eq!(at_depth(Color::Red, Depth::Mono), Color::Reset);
        assert_eq!(at_depth(Color::Red, Depth::Ansi256), Color::Red);
    }

    #[test]
    fn contrast_is_wcags() {
        let black_white = contrast(Rgb(0, 0, 0), Rgb(255, 255, 255));
        assert!((black_white - 21.0).abs() < 0.001);
        let grey = contrast(Rgb(0x76, 0x76, 0x76), Rgb(255, 255, 255));
        assert!((grey - 4.54).abs() < 0.01, "{grey}");
    }
}
