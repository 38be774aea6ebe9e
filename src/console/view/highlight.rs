//! Colours for code, by what a word is and not by what a colour scheme says: scopes become roles of the theme.
//!
//! A grammar takes tens of milliseconds when it is first used, and hostile code may take any time; a key must not wait
//! for either. So lines are read on a thread of its own, and are shown in one colour until they are. [`changed`] tells
//! when something on the screen could be drawn in more colours. The thread sleeps when it has nothing to read.

mod grammar;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, OnceLock, Weak};
use std::thread;

use parking_lot::Mutex;
use syntect::parsing::SyntaxSet;
use tokio::sync::Notify;

use self::grammar::{Reader, Stretches};

/// How many lines of a block are handed to the thread before it has read them.
const MOST_WAITING: usize = 500;

/// How many blocks the thread may have open before it looks for those that are gone.
const MOST_OPEN: usize = 32;

static GENERATION: AtomicU64 = AtomicU64::new(0);
/// Whom to wake, when something was drawn that waits for its colours: nobody is woken for what nobody sees.
static AWAITED: Mutex<Option<&'static Notify>> = Mutex::new(None);

/// Wakes the console.
#[cfg(not(test))]
fn console() -> &'static Notify {
    static CONSOLE: Notify = Notify::const_new();
    &CONSOLE
}

/// Wakes the console of this thread: tests run side by side, and one must not take the other's wake-up.
#[cfg(test)]
fn console() -> &'static Notify {
    thread_local! {
        static CONSOLE: &'static Notify = Box::leak(Box::default());
    }
    CONSOLE.with(|console| *console)
}

/// Waits until code that was drawn in one colour could be drawn in more. For one waiter: a wake-up is not lost when it
/// comes between two waits.
pub async fn changed() {
    console().notified().await;
}

/// Asks for another frame, as if colours had come.
pub(super) fn again() {
    console().notify_one();
}

/// Returns a number that grows with every line that is read.
pub(super) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// The colours of one block of code, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(super) struct Colours(Option<Arc<Mutex<Known>>>);

#[derive(Debug)]
struct Known {
    id: u64,
    language: String,
    lines: Vec<Stretches>,
    /// How many lines have been handed to the thread.
    sent: usize,
    /// Whether no more lines will be read.
    ended: bool,
}

/// What is known of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Its stretches.
    Ready(Stretches),
    /// It is being read.
    Waiting,
    /// It stays as it is.
    Plain,
}

impl Colours {
    /// Begins a block in a language, by the name that its fence gives.
    pub(super) fn new(language: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if language.is_empty() {
            return Self(None);
        }
        Self(Some(Arc::new(Mutex::new(Known {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            language: language.to_owned(),
            lines: Vec::new(),
            sent: 0,
            ended: false,
        }))))
    }

    /// Tells what is known of a line, by its index; a line asked for the first time is handed to the thread. Lines
    /// are asked for in order.
    pub(super) fn line(&self, index: usize, text: &str) -> Seen {
        let Some(known) = &self.0 else {
            return Seen::Plain;
        };
        send(known, index, text);
        loop {
            let seen = known.lock().seen(index);
            // A test must not depend on which thread is faster.
            if !cfg!(test) || seen != Seen::Waiting {
                return seen;
            }
            thread::yield_now();
        }
    }

    /// Leaves the lines that are not read yet as they are.
    pub(super) fn give_up(&self) {
        if let Some(known) = &self.0 {
            known.lock().ended = true;
        }
    }
}

/// Hands a line to the thread, if it is the next one.
fn send(known: &Arc<Mutex<Known>>, index: usize, text: &str) {
    let mut locked = known.lock();
    let waiting = locked.sent - locked.lines.len();
    if locked.ended || index != locked.sent || waiting >= MOST_WAITING {
        return;
    }
    locked.sent += 1;
    let job = Job {
        id: locked.id,
        known: Arc::downgrade(known),
        line: text.to_owned(),
    };
    let is_sent = thread_jobs().is_some_and(|jobs| jobs.send(job).is_ok());
    locked.ended |= !is_sent;
}

impl Known {
    fn seen(&self, index: usize) -> Seen {
        match self.lines.get(index) {
            Some(stretches) => Seen::Ready(stretches.clone()),
            None if self.ended => Seen::Plain,
            None => {
                // Said while the lock is held: the line cannot come in between.
                if !cfg!(test) {
                    *AWAITED.lock() = Some(console());
                }
                Seen::Waiting
            }
        }
    }
}

/// A line to be read.
struct Job {
    id: u64,
    known: Weak<Mutex<Known>>,
    line: String,
}

/// Returns the way to the thread, which starts with the first block of code.
fn thread_jobs() -> Option<&'static Sender<Job>> {
    static JOBS: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    let start = || {
        let (jobs, todo) = mpsc::channel();
        let name = "code-colours".to_owned();
        match thread::Builder::new().name(name).spawn(move || work(&todo)) {
            Ok(_) => Some(jobs),
            Err(error) => {
                tracing::warn!(%error, "code is shown without colours");
                None
            }
        }
    };
    JOBS.get_or_init(start).as_ref()
}

/// Reads lines as they come, and says so when there are no more for now.
fn work(todo: &Receiver<Job>) {
    let grammars = grammar::load();
    let mut open: HashMap<u64, (Weak<Mutex<Known>>, Reader<'_>)> = HashMap::new();
    loop {
        let job = match todo.try_recv() {
            Ok(job) => job,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                if let Some(console) = AWAITED.lock().take() {
                    console.notify_one();
                }
                match todo.recv() {
                    Ok(job) => job,
                    Err(_) => return,
                }
            }
        };
        read(&grammars, &mut open, job);
        GENERATION.fetch_add(1, Ordering::Release);
        if open.len() > MOST_OPEN {
            open.retain(|_, (known, _)| known.strong_count() > 0);
        }
    }
}

fn read<'a>(
    grammars: &'a SyntaxSet,
    open: &mut HashMap<u64, (Weak<Mutex<Known>>, Reader<'a>)>,
    job: Job,
) {
    let Some(known) = job.known.upgrade() else {
        open.remove(&job.id);
        return;
    };
    if known.lock().ended {
        return;
    }
    // The lock is not held while a grammar works.
    let language = known.lock().language.clone();
    let reader = match open.entry(job.id) {
        Entry::Occupied(entry) => Some(entry.into_mut()),
        Entry::Vacant(entry) => {
            Reader::new(grammars, &language).map(|reader| entry.insert((job.known, reader)))
        }
    };
    let stretches = reader.and_then(|(_, reader)| reader.read(&job.line));
    let mut known = known.lock();
    match stretches {
        Some(stretches) if !known.ended => known.lines.push(stretches),
        Some(_) => {}
        None => {
            known.ended = true;
            open.remove(&job.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::Role;

    #[test]
    fn lines_come_back_read_in_order() {
        let colours = Colours::new("rust");
        assert_eq!(
            colours.line(0, "/*"),
            Seen::Ready(vec![(Role::SyntaxComment, 2)])
        );
        assert_eq!(
            colours.line(1, "fn"),
            Seen::Ready(vec![(Role::SyntaxComment, 2)])
        );
        assert_eq!(
            colours.line(0, "/*"),
            Seen::Ready(vec![(Role::SyntaxComment, 2)]),
            "it is not read twice"
        );
    }

    #[test]
    fn an_unknown_language_stays_plain() {
        assert_eq!(Colours::new("").line(0, "x"), Seen::Plain);
        assert_eq!(Colours::new("no-such-language").line(0, "x"), Seen::Plain);
    }

    #[test]
    fn after_a_line_that_cannot_be_read_all_stay_plain() {
        let colours = Colours::new("json");
        assert!(matches!(colours.line(0, "{}"), Seen::Ready(_)));
        assert_eq!(colours.line(1, &"1,".repeat(2_000)), Seen::Plain);
        assert_eq!(colours.line(2, "{}"), Seen::Plain);
    }

    #[test]
    fn a_block_that_is_given_up_keeps_what_it_has() {
        let colours = Colours::new("json");
        colours.line(0, "{}");
        colours.give_up();
        assert!(matches!(colours.line(0, "{}"), Seen::Ready(_)));
        assert_eq!(colours.line(1, "{}"), Seen::Plain);
    }

    #[tokio::test]
    async fn who_waits_is_told() {
        *AWAITED.lock() = Some(console());
        Colours::new("rust").line(0, "fn main() {}");
        changed().await;
    }
}
