//! Where a question comes from: an argument, stdin, or both.

use std::io::Read;

use crate::base::{Error, ErrorKind};

/// The most that is read from stdin, in bytes.
const MOST: u64 = 16 << 20;

/// Puts the question together. `piped` is stdin when it is not a terminal.
///
/// # Errors
/// When there is none, or what is piped in is too much or no text.
pub(super) fn assemble(
    argument: Option<&str>,
    piped: Option<&mut dyn Read>,
) -> Result<String, Error> {
    let argument = argument
        .filter(|argument| *argument != "-")
        .map(str::trim_end);
    let piped = piped.map(read).transpose()?.unwrap_or_default();
    let piped = piped.trim_end();
    match argument {
        Some(question) if !question.is_empty() && !piped.trim().is_empty() => {
            Ok(format!("{question}\n\n{piped}"))
        }
        Some(question) if !question.is_empty() => Ok(question.to_owned()),
        _ if !piped.trim().is_empty() => Ok(piped.to_owned()),
        _ => Err(Error::new(ErrorKind::Config, "there is no question")
            .with_hint("give one, as in: llmdeck chat \"why is the sky blue?\", or pipe one in")),
    }
}

fn read(stdin: &mut dyn Read) -> Result<String, Error> {
    let mut bytes = Vec::new();
    stdin
        .take(MOST + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::Config, format!("stdin cannot be read: {error}")))?;
    if bytes.len() as u64 > MOST {
        return Err(
            Error::new(ErrorKind::Config, "more than 16 MiB came from stdin")
                .with_hint("pipe in less; no model reads that much"),
        );
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::new(ErrorKind::Config, "what came from stdin is not UTF-8 text")
            .with_hint("pipe in text, converted with iconv where it is another encoding")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(argument: Option<&str>, piped: Option<&[u8]>) -> Result<String, Error> {
        let mut piped = piped;
        assemble(argument, piped.as_mut().map(|bytes| bytes as &mut dyn Read))
    }

    #[test]
    fn argument_stdin_or_both() {
        assert_eq!(ask(Some("why?"), None).unwrap(), "why?");
        assert_eq!(ask(None, Some(b"why?\n")).unwrap(), "why?");
        assert_eq!(ask(Some("-"), Some(b"why?\n")).unwrap(), "why?");
        assert_eq!(
            ask(Some("sum up:"), Some(b"  a\n b\n")).unwrap(),
            "sum up:\n\n  a\n b"
        );
        assert_eq!(ask(Some("why?"), Some(b"")).unwrap(), "why?");
    }

    #[test]
    fn nothing_and_nonsense_are_refused() {
        for nothing in [
            ask(None, None),
            ask(None, Some(b" \n")),
            ask(Some(""), None),
        ] {
            assert_eq!(nothing.unwrap_err().message(), "there is no question");
        }
        assert!(
            ask(None, Some(b"\xff"))
                .unwrap_err()
                .message()
                .contains("UTF-8")
        );
        let endless = vec![b'x'; MOST as usize + 1];
        assert!(
            ask(None, Some(&endless))
                .unwrap_err()
                .message()
                .contains("16 MiB")
        );
    }
}
