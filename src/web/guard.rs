//! The guard before the HTTP server: reads one whole request within limits of size and time, or says no in plain words.
//! It knows nothing of what is served; no byte reaches the server behind it that was not checked here.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Request line and header fields together, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
const TARGET_LIMIT: usize = 8 * 1024;
const FIELD_LIMIT: usize = 100;
/// Contract, section 4: bodies over 64 KiB do not take the process down.
const BODY_LIMIT: usize = 64 * 1024;
/// For the whole head, and again for the whole body, however steadily it trickles.
const READ_TIME: Duration = Duration::from_secs(10);

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Fields that speak about the connection, which ends here; the body's length is written anew from the body.
const OF_THE_CONNECTION: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect", "content-length"];

/// Why a request is not passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing was asked: a connection opened ahead of need, or closed again.
    Silent,
    /// Answered with this status and these words.
    Spoken(u16, &'static str),
}

/// A request that passed: well formed, complete, within the limits.
#[derive(Debug)]
pub(super) struct Complete {
    method: String,
    target: String,
    /// Lower-case names; none of the connection's own, none that is not ASCII.
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Complete {
    /// The request as sent on, with one field more and closing the connection after it.
    pub(super) fn bytes(&self, (name, value): (&str, &str)) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fields.filter(|(sent, _)| !sent.eq_ignore_ascii_case(name)).chain([(name, value)]) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len()));
        [head.as_bytes(), &self.body].concat()
    }
}

/// Reads one request; whatever follows it on the connection is ignored, for each connection serves one request only.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Result<Complete, Refusal> {
    let mut bytes = Vec::new();
    let end = match timeout(READ_TIME, read_head(stream, &mut bytes)).await {
        Ok(end) => end?,
        Err(_) if bytes.is_empty() => return Err(Refusal::Silent),
        Err(_) => return Err(Refusal::Spoken(408, "The request did not arrive in time.")),
    };
    let head = check(&bytes[..end])?;
    let mut body = bytes.split_off(end);
    body.truncate(head.length);
    if body.len() < head.length {
        if head.expects_continue {
            let invited = timeout(READ_TIME, stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")).await;
            invited.map_err(|_| Refusal::Silent)?.map_err(|_| Refusal::Silent)?;
        }
        let missing = (head.length - body.len()) as u64;
        match timeout(READ_TIME, stream.take(missing).read_to_end(&mut body)).await {
            Ok(Ok(_)) if body.len() == head.length => {}
            Ok(Ok(_)) => return Err(Refusal::Spoken(400, "The body ended before its Content-Length.")),
            Ok(Err(_)) => return Err(Refusal::Silent),
            Err(_) => return Err(Refusal::Spoken(408, "The body did not arrive in time.")),
        }
    }
    Ok(Complete { method: head.method, target: head.target, fields: head.fields, body })
}

/// The answer to a request that was refused: JSON with a cure, as all errors are (contract, section 4).
pub(super) fn refusal(status: u16, words: &str) -> String {
    let (reason, cure) = match status {
        400 => ("Bad Request", "send one well-formed HTTP/1.1 request"),
        408 => ("Request Timeout", "send the whole request within ten seconds"),
        411 => ("Length Required", "state the length of the body before it"),
        413 => ("Content Too Large", "send less"),
        414 => ("URI Too Long", "send less in the address"),
        417 => ("Expectation Failed", "leave the Expect field out"),
        431 => ("Request Header Fields Too Large", "send fewer or shorter header fields"),
        501 => ("Not Implemented", "use GET or POST"),
        503 => ("Service Unavailable", "ask again in a few seconds"),
        504 => ("Gateway Timeout", "ask for less at once"),
        _ => ("Internal Server Error", "look at the program's log"),
    };
    let body = serde_json::json!({"error": words, "cure": cure}).to_string();
    let again = if status == 503 { "Retry-After: 5\r\n" } else { "" };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{again}Connection: close\r\n\r\n{body}"
    )
}

/// Reads until the empty line that ends the head; gives its length. Nothing is parsed before it is complete, so that
/// a client that sends single bytes costs no more than one that does not.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S, bytes: &mut Vec<u8>) -> Result<usize, Refusal> {
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece).await.map_err(|_| Refusal::Silent)?;
        if count == 0 {
            return Err(if bytes.is_empty() {
                Refusal::Silent
            } else {
                Refusal::Spoken(400, "The request ended before its empty line.")
            });
        }
        // The empty line may have begun in the piece before.
        let from = bytes.len().saturating_sub(3);
        bytes.extend_from_slice(&piece[..count]);
        if !bytes[0].is_ascii_uppercase() {
            return Err(Refusal::Spoken(400, "This is an HTTP server (without TLS); that was no HTTP request."));
        }
        if let Some(position) = bytes[from..].windows(4).position(|four| four == b"\r\n\r\n") {
            let end = from + position + 4;
            return if end <= HEAD_LIMIT { Ok(end) } else { Err(too_long(bytes)) };
        }
        if bytes.len() > HEAD_LIMIT {
            return Err(too_long(bytes));
        }
    }
}

fn too_long(bytes: &[u8]) -> Refusal {
    if bytes.iter().take(TARGET_LIMIT).any(|byte| *byte == b'\n') {
        Refusal::Spoken(431, "The header fields are too long: 16 KiB are allowed.")
    } else {
        Refusal::Spoken(414, "The address is too long: 8 KiB are allowed.")
    }
}

#[derive(Debug)]
struct Head {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    length: usize,
    expects_continue: bool,
}

/// Checks a complete head. Whatever two programs could read in two ways is refused (RFC 9112, section 11).
fn check(bytes: &[u8]) -> Result<Head, Refusal> {
    let malformed = Refusal::Spoken(400, "The request is not well-formed HTTP/1.1.");
    let mut room = [httparse::EMPTY_HEADER; FIELD_LIMIT];
    let mut request = httparse::Request::new(&mut room);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(end)) if end == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Refusal::Spoken(431, "Too many header fields: 100 are allowed."));
        }
        Ok(_) | Err(_) => return Err(malformed),
    }
    // httparse takes a line feed alone as the end of a line; others do not.
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r')) {
        return Err(malformed);
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(malformed);
    };
    if !METHODS.contains(&method) {
        return Err(Refusal::Spoken(501, "This method is not known here."));
    }
    if target.len() > TARGET_LIMIT {
        return Err(too_long(target.as_bytes()));
    }
    let plain = target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\');
    if !target.starts_with('/') || target.starts_with("//") || !plain {
        return Err(Refusal::Spoken(400, "The address asked for must be a path that begins with a single slash."));
    }

    let values = |name: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect()
    };
    let hosts = values("host");
    if hosts.len() > 1 || (hosts.is_empty() && minor == 1) {
        return Err(Refusal::Spoken(400, "A request has exactly one Host field."));
    }
    let lengths = values("content-length");
    let encodings = values("transfer-encoding");
    if let Some(encoding) = encodings.first() {
        return Err(if !lengths.is_empty() || encodings.len() > 1 || minor == 0 {
            Refusal::Spoken(400, "The length of the body is stated in two ways.")
        } else if encoding.eq_ignore_ascii_case(b"chunked") {
            Refusal::Spoken(411, "A body is taken only with its Content-Length.")
        } else {
            Refusal::Spoken(501, "This transfer coding is not known here.")
        });
    }
    let length = match lengths.as_slice() {
        [] => 0,
        [digits] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            // More digits than a number holds are too much as well.
            let length = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            let allowed = length.filter(|length| *length <= BODY_LIMIT);
            allowed.ok_or(Refusal::Spoken(413, "The body is too large: 64 KiB are allowed."))?
        }
        _ => return Err(Refusal::Spoken(400, "A request has one Content-Length, a plain number.")),
    };
    let expectation = values("expect");
    let expects_continue = match expectation.as_slice() {
        [] => false,
        [value] if value.eq_ignore_ascii_case(b"100-continue") => minor == 1,
        _ => return Err(Refusal::Spoken(417, "Only 100-continue can be expected.")),
    };

    let kept = request.headers.iter().filter(|field| {
        // tiny_http hangs up on a field that is not ASCII; nothing served here reads one (a cookie of a neighbour).
        let ascii = field.value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        ascii && !OF_THE_CONNECTION.iter().any(|name| field.name.eq_ignore_ascii_case(name))
    });
    let fields = kept.map(|field| (field.name.to_lowercase(), String::from_utf8_lossy(field.value).into_owned()));
    Ok(Head {
        method: method.to_owned(),
        target: target.to_owned(),
        fields: fields.collect(),
        length,
        expects_continue,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(head: &str) -> u16 {
        match check(head.as_bytes()) {
            Ok(_) => 0,
            Err(Refusal::Spoken(status, _)) => status,
            Err(Refusal::Silent) => panic!("a head is never refused silently"),
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let with = |fields: &str| status(&format!("POST /a HTTP/1.1\r\nHost: x\r\n{fields}\r\n"));
        assert_eq!(with("Content-Length: 5\r\n"), 0);
        assert_eq!(with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400);
        assert_eq!(with("Content-Length: 5, 5\r\n"), 400);
        assert_eq!(with("Content-Length: +5\r\n"), 400);
        assert_eq!(with("Content-Length: -1\r\n"), 400);
        assert_eq!(with("Content-Length: 0x10\r\n"), 400);
        assert_eq!(with("Content-Length:\r\n"), 400);
        assert_eq!(with("Content-Length: 65536\r\n"), 0);
        assert_eq!(with("Content-Length: 65537\r\n"), 413);
        assert_eq!(with("Content-Length: 99999999999999999999999999\r\n"), 413);
        assert_eq!(with("Transfer-Encoding: chunked\r\n"), 411);
        assert_eq!(with("Transfer-Encoding: xchunked\r\n"), 501);
        assert_eq!(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400);
        assert_eq!(with("Transfer-Encoding : chunked\r\n"), 400);
        assert_eq!(with("X: a\r\n Transfer-Encoding: chunked\r\n"), 400);
        assert_eq!(with("X: a\nTransfer-Encoding: chunked\r\n"), 400);
        assert_eq!(with("X: a\rb\r\n"), 400);
        assert_eq!(with("X: a\0b\r\n"), 400);
        assert_eq!(with("Host: y\r\n"), 400);
        assert_eq!(with("Expect: 200-ok\r\n"), 417);
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 0);
    }

    #[test]
    fn only_a_path_of_this_server_is_a_target() {
        let of = |target: &str| status(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(of("/a?b=%20c"), 0);
        for odd in ["http://elsewhere/", "*", "//elsewhere/", "elsewhere:80", "/a#b", "/a\\b", "/ä", "?a=b"] {
            assert_eq!(of(odd), 400, "{odd}");
        }
        assert_eq!(of(&format!("/{}", "a".repeat(TARGET_LIMIT))), 414);
        assert_eq!(status("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n"), 501);
    }

    #[test]
    fn what_is_sent_on_speaks_of_this_connection_only() {
        let head = check(
            b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nX-Secret: guess\r\nCookie: \xff\r\nAccept: a\r\n\r\n",
        );
        let head = head.unwrap();
        let complete =
            Complete { method: head.method, target: head.target, fields: head.fields, body: b"u=anna".to_vec() };
        assert_eq!(
            String::from_utf8(complete.bytes(("X-Secret", "right"))).unwrap(),
            "POST /a HTTP/1.1\r\nhost: x\r\naccept: a\r\nX-Secret: right\r\nContent-Length: 6\r\nConnection: close\r\n\r\nu=anna"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = check(&bytes);
        }

        #[test]
        fn what_passes_passes_again(target in "/[a-z0-9/?&=%]{0,40}", name in "[A-Za-z-]{1,12}", value in "[ -~]{0,40}") {
            let head = format!("GET {target} HTTP/1.1\r\nHost: x\r\n{name}: {value}\r\n\r\n");
            if let Ok(head) = check(head.as_bytes()) {
                let sent = Complete { method: head.method, target: head.target, fields: head.fields, body: Vec::new() }
                    .bytes(("X-Secret", "s"));
                prop_assert!(check(&sent).is_ok(), "{}", String::from_utf8_lossy(&sent));
            }
        }
    }
}
