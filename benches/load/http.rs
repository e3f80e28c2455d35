//! A small HTTP/1.1 client (RFC 9112) for keep-alive connections: one request at a time, answers with a Content-Length.
//!
//! Hand-written because the generator shares the cores with what it measures: what it costs is taken from the server.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Far more than the server sends.
const MOST_HEADERS: usize = 48;

/// One port of a server on the loopback interface.
#[derive(Clone, Debug)]
pub struct Site {
    pub address: SocketAddr,
    /// What its own URLs begin with.
    pub origin: String,
    /// The header lines of every request.
    lines: String,
    /// The process that serves it, for its CPU time.
    pub process: u32,
}

impl Site {
    /// `127.0.0.1:4445`; nothing off this machine is ever called.
    pub fn new(address: &str, process: u32) -> Result<Self> {
        let address: SocketAddr = address.parse().with_context(|| format!("{address} is not ADDRESS:PORT"))?;
        ensure!(address.ip().is_loopback(), "{address} is not on the loopback interface");
        let lines = format!("host: {address}\r\n");
        Ok(Self { address, origin: format!("http://{address}"), lines, process })
    }

    /// The same as a proxy calls it that has ended the TLS of `https://op.example`.
    pub fn behind_proxy(address: &str, issuer: &str, process: u32) -> Result<Self> {
        let host = issuer.strip_prefix("https://").with_context(|| format!("{issuer} is not https"))?;
        let lines = format!("host: {host}\r\nx-forwarded-proto: https\r\nx-forwarded-for: 192.0.2.1\r\n");
        Ok(Self { origin: issuer.to_owned(), lines, ..Self::new(address, process)? })
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
        let mut request = Vec::with_capacity(512);
        self.head(&mut request, "GET", path, headers);
        request.extend_from_slice(b"\r\n");
        request
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], form: &str) -> Vec<u8> {
        self.send("POST", path, headers, "application/x-www-form-urlencoded", form)
    }

    /// `POST` or `PUT` of JSON.
    pub fn json(&self, method: &str, path: &str, body: &str) -> Vec<u8> {
        self.send(method, path, &[], "application/json", body)
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], media_type: &str, body: &str) -> Vec<u8> {
        let mut request = Vec::with_capacity(512 + body.len());
        self.head(&mut request, method, path, headers);
        write!(request, "content-type: {media_type}\r\ncontent-length: {}\r\n\r\n", body.len())
            .expect("writing to memory does not fail");
        request.extend_from_slice(body.as_bytes());
        request
    }

    fn head(&self, request: &mut Vec<u8>, method: &str, path: &str, headers: &[(&str, &str)]) {
        write!(request, "{method} {path} HTTP/1.1\r\n{}", self.lines).expect("writing to memory does not fail");
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").expect("writing to memory does not fail");
        }
    }
}

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, as it lies in the connection's buffer.
pub struct Answer<'a> {
    pub status: u16,
    head: &'a [u8],
    pub body: &'a [u8],
}

impl Connection {
    pub async fn open(site: &Site) -> Result<Self> {
        let stream =
            TcpStream::connect(site.address).await.with_context(|| format!("connecting to {}", site.origin))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024] })
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await.context("sending")?;
        let mut filled = 0;
        let (status, head, length) = loop {
            filled += self.fill(filled).await?;
            if let Some(parsed) = parse(&self.buffer[..filled])? {
                break parsed;
            }
        };
        while filled < head + length {
            filled += self.fill(filled).await?;
        }
        ensure!(filled == head + length, "the server sent more than one answer");
        let (head, body) = self.buffer[..filled].split_at(head);
        Ok(Answer { status, head, body })
    }

    async fn fill(&mut self, filled: usize) -> Result<usize> {
        if filled == self.buffer.len() {
            self.buffer.resize(2 * filled, 0);
        }
        match self.stream.read(&mut self.buffer[filled..]).await.context("receiving")? {
            0 => bail!("the server closed the connection"),
            more => Ok(more),
        }
    }
}

/// Status, length of the head, length of the body; nothing while the head is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes).context("this is not HTTP/1.1")? else {
        return Ok(None);
    };
    let status = response.code.context("an answer without a status")?;
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = match length {
        Some(header) => std::str::from_utf8(header.value)?.trim().parse().context("Content-Length")?,
        None if status == 204 || status == 304 => 0,
        None => bail!("an answer ({status}) without Content-Length"),
    };
    Ok(Some((status, head, length)))
}

impl Answer<'_> {
    /// The values of a header.
    pub fn headers(&self, name: &str) -> Vec<String> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let _ = response.parse(self.head);
        let named = response.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| String::from_utf8_lossy(header.value).into_owned()).collect()
    }

    /// Where a redirect goes.
    pub fn location(&self) -> Result<String> {
        ensure!(matches!(self.status, 302 | 303), "not a redirect: {}", self.describe());
        self.headers("location").pop().with_context(|| format!("a redirect to nowhere: {}", self.describe()))
    }

    /// The value of a JSON member that is a string without escapes, in compact JSON: as tokens are.
    pub fn member(&self, name: &str) -> Option<&str> {
        let body = std::str::from_utf8(self.body).ok()?;
        let mut rest = body;
        while let Some(at) = rest.find(name) {
            let (before, after) = (&rest[..at], &rest[at + name.len()..]);
            if before.ends_with('"') && after.starts_with("\":\"") {
                return after[3..].split('"').next();
            }
            rest = after;
        }
        None
    }

    /// The body as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.body).with_context(|| self.describe())
    }

    pub fn contains(&self, text: &str) -> bool {
        std::str::from_utf8(self.body).is_ok_and(|body| body.contains(text))
    }

    /// Status, place and the body's beginning, for an error's text.
    pub fn describe(&self) -> String {
        let body = String::from_utf8_lossy(self.body);
        let begin: String = body.chars().take(400).collect();
        let location = self.headers("location").pop().map_or_else(String::new, |to| format!(", location {to}"));
        format!("status {}{location}, body {begin:?}", self.status)
    }
}

/// A parameter of a URL's query.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Pairs as `application/x-www-form-urlencoded`.
pub fn form(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
