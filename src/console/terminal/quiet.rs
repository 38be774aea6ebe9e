//! A backend that writes nothing when nothing is different, and wraps what it writes in one synchronised update.
//!
//! ratatui sends 25 bytes for a frame in which no cell changed. Over a day, and over SSH, that is traffic for nothing.

use std::io::{self, Write};

use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::paint::Painter;

const BEGIN: &[u8] = b"\x1b[?2026h\x1b[?25l";
const END: &[u8] = b"\x1b[?2026l";

/// Wraps crossterm's backend.
pub(crate) struct Quiet<W: Write> {
    inner: CrosstermBackend<W>,
    painter: Painter,
    /// Whether this frame has written anything.
    begun: bool,
    /// Where the cursor is wanted, and where it was left.
    wanted: Cursor,
    shown: Cursor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cursor {
    Unknown,
    Hidden,
    At(Position),
}

impl<W: Write> Quiet<W> {
    pub(crate) fn new(inner: CrosstermBackend<W>) -> Self {
        Self {
            inner,
            painter: Painter::default(),
            begun: false,
            wanted: Cursor::Hidden,
            shown: Cursor::Unknown,
        }
    }

    /// Opens the update; the cursor is hidden meanwhile, so that it does not run about.
    fn begin(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begun = true;
            self.shown = Cursor::Hidden;
            self.inner.write_all(BEGIN)?;
        }
        Ok(())
    }
}

impl<W: Write> Backend for Quiet<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        if content.peek().is_none() {
            return Ok(());
        }
        self.begin()?;
        let painted = self.painter.paint(content);
        self.inner.write_all(painted.as_bytes())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.wanted = Cursor::Hidden;
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.wanted == Cursor::Hidden {
            self.wanted = Cursor::Unknown;
        }
        Ok(())
    }

    /// Never asks the terminal: its answer would have to be waited for, and is read by the loop as a key.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(match self.shown {
            Cursor::At(position) => position,
            Cursor::Unknown | Cursor::Hidden => Position::ORIGIN,
        })
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.wanted = Cursor::At(position.into());
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.begin()?;
        self.painter.cleared();
        self.inner.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        // This is what ratatui calls after a resize.
        if clear_type == ClearType::All {
            return self.clear();
        }
        self.begin()?;
        self.inner.clear_region(clear_type)
    }

    fn append_lines(&mut self, lines: u16) -> io::Result<()> {
        self.begin()?;
        self.inner.append_lines(lines)
    }

    fn size(&self) -> io::Result<Size> {
        self.inner.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.inner.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.wanted != self.shown {
            self.begin()?;
            if let Cursor::At(position) = self.wanted {
                self.inner.set_cursor_position(position)?;
                self.inner.show_cursor()?;
            }
            self.shown = self.wanted;
        }
        if std::mem::take(&mut self.begun) {
            self.inner.write_all(END)?;
        }
        Backend::flush(&mut self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Wire(std::sync::Arc<parking_lot::Mutex<Vec<u8>>>);

    impl Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Wire {
        fn take(&self) -> String {
            String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock())).into_owned()
        }
    }

    /// Draws one frame as ratatui's terminal does.
    fn frame(quiet: &mut Quiet<Wire>, cells: &[(u16, u16, &Cell)], cursor: Option<(u16, u16)>) {
        quiet.draw(cells.iter().copied()).unwrap();
        match cursor {
            None => quiet.hide_cursor().unwrap(),
            Some(position) => {
                quiet.show_cursor().unwrap();
                quiet.set_cursor_position(position).unwrap();
            }
        }
        Backend::flush(quiet).unwrap();
    }

    #[test]
    fn a_frame_without_a_change_writes_nothing() {
        let wire = Wire::default();
        let mut quiet = Quiet::new(CrosstermBackend::new(wire.clone()));
        let cell = Cell::new("x");
        frame(&mut quiet, &[(0, 0, &cell)], Some((3, 4)));
        assert!(!wire.take().is_empty());
        frame(&mut quiet, &[], Some((3, 4)));
        assert_eq!(wire.take(), "");
    }

    #[test]
    fn a_frame_is_one_synchronised_update_and_leaves_the_cursor_where_it_belongs() {
        let wire = Wire::default();
        let mut quiet = Quiet::new(CrosstermBackend::new(wire.clone()));
        let cell = Cell::new("x");
        frame(&mut quiet, &[(0, 0, &cell)], Some((3, 4)));
        let sent = wire.take();
        assert!(sent.starts_with("\x1b[?2026h\x1b[?25l"), "{sent:?}");
        assert!(sent.ends_with("\x1b[5;4H\x1b[?25h\x1b[?2026l"), "{sent:?}");
    }

    #[test]
    fn a_cursor_that_moves_alone_is_sent_alone() {
        let wire = Wire::default();
        let mut quiet = Quiet::new(CrosstermBackend::new(wire.clone()));
        frame(&mut quiet, &[], Some((3, 4)));
        wire.take();
        frame(&mut quiet, &[], Some((5, 4)));
        assert!(wire.take().contains("\x1b[5;6H"));
        frame(&mut quiet, &[], None);
        assert!(wire.take().contains("\x1b[?25l"));
    }
}
