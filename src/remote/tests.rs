//! Two ends and a real line between them.
#![cfg(unix)]

mod api;
mod consoles;
mod fake;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::fake::Fake;
use super::{Admin, Listening, Remote, Visitor, Way};
use crate::deck::Deck;

/// Longer than anything here takes on a busy machine; what would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway's admin socket over a pool that obeys the test.
struct Rig {
    fake: Fake,
    admin: Admin,
    listening: Option<Listening>,
    socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("llmdeck.sock");
        let fake = Fake::new();
        let admin = Admin::new(Deck::new(fake.clone()));
        let listening = Some(admin.listen(&socket).unwrap());
        Self {
            fake,
            admin,
            listening,
            socket,
            _folder: folder,
        }
    }

    /// The gateway dies and leaves its socket behind, as a killed one does.
    fn die(&mut self) {
        self.admin.close();
        let listening = self.listening.take().unwrap();
        drop(listening);
        drop(std::os::unix::net::UnixListener::bind(&self.socket).unwrap());
        std::fs::set_permissions(&self.socket, Permissions::from_mode(0o600)).unwrap();
    }

    /// Another gateway takes its place.
    fn rise(&mut self) {
        self.admin = Admin::new(Deck::new(self.fake.clone()));
        self.listening = Some(self.admin.listen(&self.socket).unwrap());
    }

    async fn attach(&self, by: &str) -> Remote {
        self.attach_as(by, false).await
    }

    async fn attach_as(&self, by: &str, read_only: bool) -> Remote {
        let visitor = Visitor {
            by: by.to_owned(),
            read_only,
        };
        let way = Way::Socket(self.socket.clone());
        Remote::connect(way, visitor).await.unwrap()
    }
}

/// Waits until something is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}
