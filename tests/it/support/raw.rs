//! Bytes on a connection of their own, for what no HTTP library would send.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Server;

/// What came back, and whether the server closed the connection.
#[derive(Debug)]
pub struct Raw {
    pub text: String,
    pub closed: bool,
}

impl Raw {
    /// The status of the first answer; 0 where none came.
    pub fn status(&self) -> u16 {
        self.text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map_or(0, |status| status.parse().unwrap())
    }

    /// How many answers came.
    pub fn answers(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }
}

impl Server {
    /// `127.0.0.1:port` of the public port, whatever the issuer is.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.config.serve.public.port)
    }

    /// Sends these bytes.
    pub async fn raw(&self, bytes: impl AsRef<[u8]>) -> Raw {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        // The server may close before it has read all.
        let _ = stream.write_all(bytes.as_ref()).await;
        read(&mut stream, Duration::from_millis(300)).await
    }

    /// The same, of a text in which `{host}` stands for the server's own.
    pub async fn raw_text(&self, text: &str) -> Raw {
        self.raw(text.replace("{host}", &self.address())).await
    }
}

/// Reads until the server closes, or until it has said nothing for that long.
pub async fn read(stream: &mut TcpStream, patience: Duration) -> Raw {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    let closed = loop {
        match tokio::time::timeout(patience, stream.read(&mut buffer)).await {
            Err(_silence) => break false,
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(count)) => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    Raw { text: String::from_utf8_lossy(&bytes).into_owned(), closed }
}
