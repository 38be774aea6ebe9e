//! Cleans text that arrives in pieces as if it had come whole.

use crate::base::clean;

/// Remembers what a piece's end leaves open: a carriage return that may be half of a line end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming {
    held_return: bool,
}

impl Incoming {
    /// Cleans one piece.
    pub(crate) fn piece(&mut self, text: &str) -> String {
        let mut whole = String::with_capacity(text.len() + 1);
        if std::mem::take(&mut self.held_return) {
            whole.push('\r');
        }
        let body = match text.strip_suffix('\r') {
            Some(body) => {
                self.held_return = true;
                body
            }
            None => text,
        };
        whole.push_str(body);
        clean(&whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_end_split_over_two_pieces_is_one_line_end() {
        let mut incoming = Incoming::default();
        let text = ["a\r", "\nb\r", "c"]
            .map(|piece| incoming.piece(piece))
            .concat();
        assert_eq!(text, "a\nb\nc");
    }
}
