//! A unix socket's file: there as long as the port listens (unix(7)).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::BACKLOG;
use crate::config::SocketFile;

/// Our file. Taken away when dropped, unless another one has come in its place.
pub(super) struct Own {
    path: PathBuf,
    /// Device and inode. The inode is not given to another file while the socket is open.
    identity: (u64, u64),
}

impl Drop for Own {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

/// Makes the file and listens. Nobody can connect before it has its owner and its permissions.
pub(super) async fn listen(file: &SocketFile) -> io::Result<(Own, UnixListener)> {
    make_room(&file.path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(&file.path)?;
    let own = Own { path: file.path.clone(), identity: identity(&file.path)? };
    fs::set_permissions(&file.path, Permissions::from_mode(file.mode))?;
    if file.owner.is_some() || file.group.is_some() {
        chown(&file.path, file.owner, file.group)
            .map_err(|why| io::Error::new(why.kind(), format!("its owner can not be changed: {why}")))?;
    }
    Ok((own, socket.listen(BACKLOG)?))
}

/// Takes away what a server has left that did not end by itself; refuses to take anything else.
async fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is something else at that path, and it is left alone",
            ));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // A queue that is full, or one that we may not join, is somebody's as well.
        Ok(_) | Err(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener as StdListener;

    use super::*;

    fn file(path: &Path, mode: u32) -> SocketFile {
        SocketFile { path: path.to_owned(), owner: None, group: None, mode }
    }

    #[tokio::test]
    async fn the_file_has_its_permissions_and_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.sock");
        for mode in [0o660, 0o755, 0o600] {
            let mine = fs::metadata(folder.path()).unwrap();
            let file = SocketFile { owner: Some(mine.uid()), group: Some(mine.gid()), ..file(&path, mode) };
            let (own, _listener) = listen(&file).await.unwrap();
            let found = fs::metadata(&path).unwrap();
            assert_eq!((found.mode() & 0o777, found.uid(), found.gid()), (mode, mine.uid(), mine.gid()));
            drop(own);
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn what_a_dead_server_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.sock");
        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves its file");
        let (_own, _listener) = listen(&file(&path, 0o600)).await.unwrap();
        assert!(UnixStream::connect(&path).await.is_ok());
    }

    #[tokio::test]
    async fn a_server_that_lives_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.sock");
        let living = StdListener::bind(&path).unwrap();
        let why = listen(&file(&path, 0o600)).await.err().unwrap();
        assert_eq!((why.kind(), why.to_string().as_str()), (io::ErrorKind::AddrInUse, "another server listens there"));
        assert!(UnixStream::connect(&path).await.is_ok());
        drop(living);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("data"), folder.path().join("link"));
        fs::write(&path, "precious").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for path in [&path, &link, &folder.path().to_owned()] {
            let why = listen(&file(path, 0o600)).await.err().unwrap();
            assert!(why.to_string().contains("something else"), "{why}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        let nowhere = folder.path().join("no/such/folder");
        assert_eq!(listen(&file(&nowhere, 0o600)).await.err().unwrap().kind(), io::ErrorKind::NotFound);
    }

    /// A server that ends slowly does not take the file of the one that came after it.
    #[tokio::test]
    async fn the_file_of_another_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.sock");
        let (own, listener) = listen(&file(&path, 0o600)).await.unwrap();
        fs::remove_file(&path).unwrap();
        let (_other, _listener) = listen(&file(&path, 0o600)).await.unwrap();
        drop(own);
        assert!(path.exists());
        drop(listener);
    }
}
