//! The admin socket: made for its owner alone, taken over when a gateway died and left it, removed at the end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::serve::IncomingStream;
use rustix::process::geteuid;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use super::super::origin::Origin;
use super::super::place;
use super::{Shared, api};
use crate::base::{Error, ErrorKind};

/// A socket that is listened on; dropping it stops that and removes the socket.
pub struct Listening {
    path: PathBuf,
    /// The file's number, so that another gateway's socket in its place is left alone.
    inode: u64,
    stop: CancellationToken,
}

impl Listening {
    /// Returns where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.cancel();
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // When it cannot be removed the next gateway takes it over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(super) fn listen(shared: Arc<Shared>, path: &Path) -> Result<Listening, Error> {
    let failed = |error: io::Error| {
        Error::new(
            ErrorKind::Config,
            format!("cannot listen on {}: {error}", path.display()),
        )
        .with_hint("name another place for the admin socket")
    };
    place::prepare(path)?;
    make_room(path)?;
    // Bound under another name first, so that it is never there with more rights than it will have.
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let early = PathBuf::from(name);
    let _ = fs::remove_file(&early);
    let listener = UnixListener::bind(&early).map_err(failed)?;
    let opened = fs::set_permissions(&early, Permissions::from_mode(0o600))
        .and_then(|()| fs::rename(&early, path))
        .and_then(|()| fs::symlink_metadata(path));
    let inode = match opened {
        Ok(found) => found.ino(),
        Err(error) => {
            let _ = fs::remove_file(&early);
            return Err(failed(error));
        }
    };
    let stop = shared.closing.child_token();
    let router = api::router(shared)
        .layer(middleware::from_fn(only_owner))
        .into_make_service_with_connect_info::<Peer>();
    let until = stop.clone().cancelled_owned();
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(until);
        if let Err(error) = served.await {
            tracing::error!(%error, "the admin socket failed");
        }
    });
    tracing::info!(socket = %path.display(), "admin socket");
    Ok(Listening {
        path: path.to_owned(),
        inode,
        stop,
    })
}

/// Removes what a gateway that died left behind.
fn make_room(path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    let shown = path.display();
    if !found.file_type().is_socket() {
        return Err(Error::new(
            ErrorKind::Config,
            format!("{shown} is there already and is not a socket"),
        )
        .with_hint("move it away, or name another place for the admin socket"));
    }
    match StdStream::connect(path) {
        Ok(_) => Err(Error::new(
            ErrorKind::Config,
            format!("another 'llmdeck serve' listens on {shown}"),
        )
        .with_hint("stop it, or name another place for this one's admin socket")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(socket = %shown, "taking over the socket of a gateway that is gone");
            Ok(())
        }
        Err(error) => Err(Error::new(
            ErrorKind::Config,
            format!("cannot tell who listens on {shown}: {error}"),
        )
        .with_hint("name another place for the admin socket")),
    }
}

/// The user at the other end; `None` when the system does not say.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// The file's mode says the same; this holds also when somebody changed it.
async fn only_owner(
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let me = geteuid().as_raw();
    if !uid.is_some_and(|uid| uid == me || uid == 0) {
        tracing::warn!(
            ?uid,
            "another user's request on the admin socket was refused"
        );
        let error = Error::new(ErrorKind::Permission, "this socket is its owner's alone");
        return api::refuse(StatusCode::FORBIDDEN, &error);
    }
    request.extensions_mut().insert(Origin::new(""));
    next.run(request).await
}
