//! Where the admin socket is, and whether it can be trusted: it belongs to its owner alone.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::base::{Error, ErrorKind};

const NAME: &str = "llmdeck.sock";
/// Where a gateway that is a service of the system has it.
const SYSTEM: &str = "/run/llmdeck/llmdeck.sock";

/// Returns where a gateway puts its socket when nobody says otherwise; `variable` looks up the environment.
pub fn to_listen(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    let folders = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"];
    let named = folders.iter().find_map(|name| folder(&variable(name)?));
    named
        .or_else(|| Some(run_user()).filter(|folder| is_mine(folder)))
        .unwrap_or_else(own_folder)
        .join(NAME)
}

/// Returns where a console looks for one, the likeliest place first.
pub fn to_attach(variable: impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(folder) = variable("XDG_RUNTIME_DIR").and_then(|value| folder(&value)) {
        places.push(folder.join(NAME));
    }
    places.extend([
        run_user().join(NAME),
        own_folder().join(NAME),
        SYSTEM.into(),
    ]);
    let mut seen = std::collections::HashSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}

/// systemd may name several folders; the first one is ours.
fn folder(value: &str) -> Option<PathBuf> {
    let first = value.split(':').next().map(PathBuf::from)?;
    first.is_absolute().then_some(first)
}

fn run_user() -> PathBuf {
    format!("/run/user/{}", geteuid().as_raw()).into()
}

/// A folder of this user's in a place that all share.
fn own_folder() -> PathBuf {
    format!("/tmp/llmdeck-{}", geteuid().as_raw()).into()
}

fn is_mine(folder: &Path) -> bool {
    fs::symlink_metadata(folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw())
}

/// Makes the socket's folder when it is missing, for its owner alone, and sees to it that nobody else can put
/// something else in the socket's place.
pub(super) fn prepare(socket: &Path) -> Result<(), Error> {
    let folder = parent(socket);
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| {
                config(format!(
                    "cannot make the folder {}: {error}",
                    folder.display()
                ))
            }),
        Err(error) => Err(config(format!(
            "cannot look at {}: {error}",
            folder.display()
        ))),
        Ok(_) => check_folder(folder),
    }
}

fn parent(socket: &Path) -> &Path {
    socket
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// In a folder that others may write, a socket can be replaced, unless the folder is sticky.
fn check_folder(folder: &Path) -> Result<(), Error> {
    let found = fs::metadata(folder)
        .map_err(|error| config(format!("cannot look at {}: {error}", folder.display())))?;
    let (mode, owner) = (found.mode(), found.uid());
    let others_write = mode & 0o022 != 0 && mode & 0o1000 == 0;
    let owner_is_known = owner == geteuid().as_raw() || owner == 0;
    if others_write || (!owner_is_known && geteuid().as_raw() != 0) {
        return Err(config(format!(
            "the folder {} can be changed by others, so a socket in it cannot be trusted",
            folder.display()
        ))
        .with_hint("choose a folder that only you can write: --socket ~/llmdeck.sock"));
    }
    Ok(())
}

/// Looks whether a socket may be connected to: it is one, and belongs to this user alone.
///
/// # Errors
/// Of kind `network` when nothing is there, of kind `permission` when it is not this user's alone.
pub fn check(socket: &Path) -> Result<(), Error> {
    let shown = socket.display();
    let found = fs::symlink_metadata(socket).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => nothing_runs(&[socket.to_owned()]),
        _ => Error::new(
            ErrorKind::Permission,
            format!("cannot look at {shown}: {error}"),
        )
        .with_hint("only the owner of a running 'llmdeck serve' can attach to its socket"),
    })?;
    if !found.file_type().is_socket() {
        return Err(config(format!("{shown} is not a socket")));
    }
    let me = geteuid().as_raw();
    // Root may look at anybody's; whose it is then is what root wanted.
    if found.uid() != me && me != 0 {
        return Err(Error::new(
            ErrorKind::Permission,
            format!("{shown} belongs to another user (uid {})", found.uid()),
        )
        .with_hint(
            "attach as the user that runs 'llmdeck serve', or over HTTPS with an admin key",
        ));
    }
    if found.mode() & 0o077 != 0 {
        return Err(Error::new(
            ErrorKind::Permission,
            format!(
                "{shown} is open to others (mode {:o})",
                found.mode() & 0o777
            ),
        )
        .with_hint("'llmdeck serve' makes its socket for its owner alone; what made this one?"));
    }
    check_folder(parent(socket))
}

/// Says that no gateway was found.
pub fn nothing_runs(looked: &[PathBuf]) -> Error {
    let looked: Vec<String> = looked
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Error::new(
        ErrorKind::Network,
        format!(
            "no 'llmdeck serve' runs here; looked at {}",
            looked.join(", ")
        ),
    )
    .with_hint("start one with 'llmdeck serve', or name its place with --socket or --url")
}

fn config(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
        .with_hint("name another place with --socket, or set XDG_RUNTIME_DIR to a folder of yours")
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        |name| {
            let found = pairs.iter().find(|(key, _)| *key == name)?;
            Some(found.1.to_owned())
        }
    }

    #[test]
    fn the_usual_place_is_the_runtime_folder() {
        let session = with(&[("XDG_RUNTIME_DIR", "/run/user/7")]);
        assert_eq!(to_listen(&session), Path::new("/run/user/7/llmdeck.sock"));
        assert_eq!(
            to_attach(&session)[0],
            Path::new("/run/user/7/llmdeck.sock")
        );
        let service = with(&[("RUNTIME_DIRECTORY", "/run/llmdeck:/run/other")]);
        assert_eq!(to_listen(service), Path::new(SYSTEM));
        let relative = with(&[("XDG_RUNTIME_DIR", "here")]);
        assert_ne!(to_listen(relative), Path::new("here/llmdeck.sock"));
        assert!(to_attach(|_| None).contains(&to_listen(|_| None)));
    }

    #[test]
    fn only_a_socket_of_ones_own_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        assert_eq!(check(&socket).unwrap_err().kind(), ErrorKind::Network);
        fs::write(&socket, "").unwrap();
        assert!(
            check(&socket)
                .unwrap_err()
                .message()
                .contains("not a socket")
        );
        fs::remove_file(&socket).unwrap();
        let _listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, Permissions::from_mode(0o660)).unwrap();
        let open = check(&socket).unwrap_err();
        assert!(open.message().contains("mode 660"), "{open}");
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
        check(&socket).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        assert!(
            check(&socket)
                .unwrap_err()
                .message()
                .contains("can be changed by others")
        );
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
        check(&socket).unwrap();
    }
}
