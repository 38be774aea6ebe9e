//! STAND-IN
use crate::console::theme::Theme;
use ratatui::text::Line;
/// x
#[derive(Default)]
pub struct Markdown {
    text: String,
    lines: Vec<Line<'static>>,
}
impl Markdown {
    /// x
    pub fn new() -> Self {
        Self::default()
    }
    /// x
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }
    /// x
    pub fn finish(&mut self) {}
    /// x
    pub fn lines(&mut self, width: u16, _theme: &Theme) -> &[Line<'static>] {
        let said = crate::console::text::display_safe(&self.text);
        self.lines = crate::console::text::wrap(&said, usize::from(width))
            .into_iter()
            .map(|r| Line::from(said[r].to_owned()))
            .collect();
        &self.lines
    }
}
