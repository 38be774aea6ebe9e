//! The line to the terminal: one frame at a time, written by a thread of its own.
//!
//! A slow line must not stop the loop, and frames must not queue up: while one is on its way, no other is drawn.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

/// Collects a frame, and hands it over when flushed.
#[derive(Clone)]
pub(crate) struct Output {
    line: Arc<Line>,
    frame: Vec<u8>,
}

struct Line {
    work: Mutex<Work>,
    arrived: Condvar,
    left: Condvar,
    done: Notify,
}

#[derive(Default)]
struct Work {
    waiting: Vec<u8>,
    writing: bool,
    broken: bool,
}

impl Output {
    /// Starts the writing thread.
    pub(crate) fn start() -> io::Result<Self> {
        let line = Arc::new(Line {
            work: Mutex::new(Work::default()),
            arrived: Condvar::new(),
            left: Condvar::new(),
            done: Notify::new(),
        });
        let writer = Arc::clone(&line);
        thread::Builder::new()
            .name("terminal".to_owned())
            .spawn(move || writer.write_for_ever(&mut io::stdout()))?;
        Ok(Self {
            line,
            frame: Vec::with_capacity(16 << 10),
        })
    }

    /// Tells whether everything handed over has left.
    pub(crate) fn is_idle(&self) -> bool {
        let work = self.line.work.lock();
        work.broken || (!work.writing && work.waiting.is_empty())
    }

    /// Blocks until everything handed over has left, for a time at most.
    pub(crate) fn settle(&self, limit: Duration) {
        let mut work = self.line.work.lock();
        while !(work.broken || (!work.writing && work.waiting.is_empty())) {
            if self.line.left.wait_for(&mut work, limit).timed_out() {
                return;
            }
        }
    }

    /// Waits until everything handed over has left.
    pub(crate) async fn idle(&self) {
        loop {
            let done = self.line.done.notified();
            if self.is_idle() {
                return;
            }
            done.await;
        }
    }
}

impl Line {
    fn write_for_ever(&self, out: &mut impl Write) {
        let mut frame = Vec::new();
        loop {
            {
                let mut work = self.work.lock();
                while work.waiting.is_empty() {
                    self.arrived.wait(&mut work);
                }
                frame.clear();
                std::mem::swap(&mut frame, &mut work.waiting);
                work.writing = true;
            }
            let written = out.write_all(&frame).and_then(|()| out.flush());
            let mut work = self.work.lock();
            work.writing = false;
            work.broken |= written.is_err();
            drop(work);
            self.left.notify_all();
            self.done.notify_waiters();
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut work = self.line.work.lock();
        if work.broken {
            self.frame.clear();
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        work.waiting.append(&mut self.frame);
        drop(work);
        self.line.arrived.notify_one();
        Ok(())
    }
}
