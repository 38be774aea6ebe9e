//! Commands that are typed into the prompt: `/file PATH` quotes files, `/save PATH` saves the conversation.

use super::{App, Effect, Tone};
use crate::base::Error;
use crate::console::state::quoted::Quoted;
use crate::console::text;
use crate::console::words::{phrase, t};

impl App {
    /// Carries out a command that stands in the draft; `None` when there is none.
    pub(super) fn prompt_command(&mut self) -> Option<Vec<Effect>> {
        let (_, line) = self.composer.command_line()?;
        let (name, path) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        let path = path.trim().to_owned();
        if path.is_empty() {
            self.say(phrase!("{} needs a path after it", name), Tone::Note);
            return Some(Vec::new());
        }
        if name == "/save" {
            self.composer.answer_command(&line, &[]);
            return Some(self.save(&path));
        }
        Some(vec![Effect::ReadFiles { line, path }])
    }

    /// Puts files into the draft, in the place of the command.
    pub(super) fn files_read(&mut self, line: &str, read: Result<Vec<Quoted>, Error>) {
        let quoted = match read {
            Ok(quoted) => quoted,
            Err(error) => {
                self.say_error(&error);
                return;
            }
        };
        let bytes: usize = quoted.iter().map(|file| file.text.len()).sum();
        let count = quoted.len();
        let chips: Vec<(String, String)> = quoted
            .into_iter()
            .map(|file| {
                let size = text::count(file.text.len() as u64);
                (phrase!("[file: {}, {}B]", file.name, size), file.quote())
            })
            .collect();
        if !self.composer.answer_command(line, &chips) {
            self.say(t("the prompt is full; the file was left out"), Tone::Failed);
            return;
        }
        let size = text::count(bytes as u64);
        let said = if count == 1 {
            phrase!("{}B quoted", size)
        } else {
            phrase!("{} files quoted, {}B", count, size)
        };
        self.say(said, Tone::Done);
    }

    /// Completes the path that is being typed.
    pub(super) fn complete(&mut self) -> Option<Vec<Effect>> {
        let path = self.composer.command_argument()?;
        Some(vec![Effect::Complete(path)])
    }

    /// Takes what a path can be completed to.
    pub(super) fn completed(&mut self, path: &str, candidates: &[String]) {
        if self.composer.command_argument().as_deref() != Some(path) {
            return;
        }
        let Some(first) = candidates.first() else {
            self.say(t("no file begins like this"), Tone::Note);
            return;
        };
        let mut common = first.as_str();
        for other in candidates {
            let same = common
                .char_indices()
                .zip(other.chars())
                .find(|((_, a), b)| a != b)
                .map_or(common.len().min(other.len()), |((at, _), _)| at);
            common = common.get(..same).unwrap_or(common);
        }
        if let Some(more) = common.strip_prefix(path).filter(|more| !more.is_empty()) {
            self.composer.insert_str(more);
        } else if candidates.len() > 1 {
            let names: Vec<&str> = candidates
                .iter()
                .map(|path| {
                    path.trim_end_matches('/')
                        .rsplit('/')
                        .next()
                        .unwrap_or(path)
                })
                .collect();
            self.say(names.join("  "), Tone::Note);
        }
    }

    /// Takes what was written in the editor.
    pub(super) fn edited(&mut self, result: Result<String, Error>) {
        match result {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                self.composer.set_text(text);
                self.focus = super::Focus::Prompt;
            }
            Err(error) => self.say_error(&error),
        }
    }

    /// Tells what became of saving.
    pub(super) fn saved(&mut self, result: Result<String, Error>) {
        match result {
            Ok(path) => self.say(phrase!("saved as {}", path), Tone::Done),
            Err(error) => self.say_error(&error),
        }
    }
}
