//! File names by patterns: `*` any characters of a name, `?` one, `[ab]` one of these, `**` any folders.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The most entries that are looked at: a pattern over a whole disk must end.
const MOST_LOOKED_AT: usize = 50_000;

/// Finds the files that match, sorted, at most so many. Hidden ones and links to folders are left out unless named.
pub(super) fn files(pattern: &str, most: usize) -> Vec<PathBuf> {
    let mut parts: Vec<&str> = pattern.split('/').collect();
    let mut start = PathBuf::new();
    if pattern.starts_with('/') {
        start.push("/");
        parts.remove(0);
    }
    let mut walk = Walk {
        found: Vec::new(),
        looked_at: 0,
        most,
    };
    walk.below(&start, &parts);
    walk.found.sort_unstable();
    walk.found.dedup();
    walk.found
}

struct Walk {
    found: Vec<PathBuf>,
    looked_at: usize,
    most: usize,
}

impl Walk {
    fn below(&mut self, folder: &Path, parts: &[&str]) {
        let Some((first, rest)) = parts.split_first() else {
            return;
        };
        if self.found.len() >= self.most || self.looked_at >= MOST_LOOKED_AT {
            return;
        }
        if *first == "**" {
            self.below(folder, rest);
            for (path, is_folder) in self.entries(folder, None) {
                if is_folder && !path.is_symlink() {
                    self.below(&path, parts);
                }
            }
        } else if first.contains(['*', '?', '[']) {
            let Some(name) = pattern(first) else {
                return;
            };
            for (path, is_folder) in self.entries(folder, Some((&name, first.starts_with('.')))) {
                self.take(path, is_folder, rest);
            }
        } else {
            let path = folder.join(first);
            let is_folder = path.is_dir();
            if path.exists() {
                self.take(path, is_folder, rest);
            }
        }
    }

    fn take(&mut self, path: PathBuf, is_folder: bool, rest: &[&str]) {
        if rest.is_empty() {
            if !is_folder && self.found.len() < self.most {
                self.found.push(path);
            }
        } else if is_folder {
            self.below(&path, rest);
        }
    }

    fn entries(&mut self, folder: &Path, name: Option<(&Regex, bool)>) -> Vec<(PathBuf, bool)> {
        let place = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        let Ok(entries) = fs::read_dir(place) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in entries.flatten() {
            self.looked_at += 1;
            let Some(own) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let hidden_too = name.is_some_and(|(_, hidden)| hidden);
            if own.starts_with('.') && !hidden_too {
                continue;
            }
            if name.is_none_or(|(name, _)| name.is_match(&own)) {
                let path = folder.join(own);
                let is_folder = path.is_dir();
                found.push((path, is_folder));
            }
        }
        found.sort_unstable();
        found
    }
}

/// Makes an expression of one part of a pattern.
fn pattern(part: &str) -> Option<Regex> {
    let mut out = String::from("^");
    let mut chars = part.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let inside: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let (not, inside) = match inside.strip_prefix(['!', '^']) {
                    Some(rest) => ("^", rest),
                    None => ("", inside.as_str()),
                };
                let inside = inside.replace('\\', r"\\").replace('[', r"\[");
                for part in ["[", not, &inside, "]"] {
                    out.push_str(part);
                }
            }
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    Regex::new(&out).ok()
}
