//! The HTTP server: tiny_http behind a guard that bounds what it leaves unbounded (header size, body size, slow
//! clients, number of connections). Knows nothing of what is served.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use log::{debug, error, warn};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::door::{self, Phase};
pub use super::message::{Request, Response};

/// How long an answer may be in the making; a fetch of many months is slow.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(600);
/// How long running requests are waited for when the server stops.
const FINISH_TIME: Duration = Duration::from_secs(5);
/// The field by which tiny_http knows what passed the guard.
pub(super) const PASSED: &str = "x-passed-the-guard";

/// Whatever answers requests: the bridge's entry points, the simulated cloud.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; never panics on what a client sent.
    async fn answer(&self, request: Request) -> Response;
}

/// Serves `handler` on `listener` until the returned handle is stopped or dropped.
///
/// Fails outside a tokio runtime, or when no loopback address is free for tiny_http.
pub fn serve(listener: TcpListener, handler: Arc<dyn Handler>) -> Result<Running> {
    let runtime = Handle::try_current().context("an HTTP server needs a running tokio runtime")?;
    listener.set_nonblocking(true).context("preparing the HTTP listener")?;
    let listener = tokio::net::TcpListener::from_std(listener).context("preparing the HTTP listener")?;
    let address = listener.local_addr().context("asking for the address of the HTTP listener")?;
    let inner = Inner::start(loopback()?, handler, runtime.clone())?;
    let (phase, phases) = watch::channel(Phase::Open);
    let (alive, finished) = mpsc::channel(1);
    runtime.spawn(door::accept(listener, inner, phases, alive));
    Ok(Running { address, phase, finished })
}

/// A running server; dropping it stops accepting, and requests that run end in their own time.
pub struct Running {
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    /// Closed when the last connection has ended.
    finished: mpsc::Receiver<()>,
}

impl Running {
    /// The address it listens on, with the port it really has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting at once, lets running requests finish for some seconds, then closes what is left.
    pub async fn stop(mut self) {
        self.phase.send_replace(Phase::Finishing);
        if timeout(FINISH_TIME, self.finished.recv()).await.is_err() {
            warn!("requests were still running {} s after the HTTP server was told to stop", FINISH_TIME.as_secs());
            self.phase.send_replace(Phase::Over);
            let _ = timeout(Duration::from_secs(1), self.finished.recv()).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.phase.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Finishing;
            }
            open
        });
    }
}

/// tiny_http, on a loopback port of its own that answers only what carries the secret; ends when it is dropped.
pub(super) struct Inner {
    shared: Arc<Shared>,
}

struct Shared {
    address: Mutex<SocketAddr>,
    secret: SecretString,
    stopped: AtomicBool,
}

impl Inner {
    fn start(listener: TcpListener, handler: Arc<dyn Handler>, runtime: Handle) -> Result<Inner> {
        let address = listener.local_addr().context("asking for the inner address of the HTTP server")?;
        let secret: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
        let stopped = AtomicBool::new(false);
        let shared = Arc::new(Shared { address: Mutex::new(address), secret: secret.into(), stopped });
        receive(listener, shared.clone(), handler, runtime)?;
        Ok(Inner { shared })
    }

    pub(super) fn address(&self) -> SocketAddr {
        *self.shared.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn secret(&self) -> &str {
        self.shared.secret.expose_secret()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

fn loopback() -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free loopback port for the HTTP server")
}

/// Starts tiny_http on `listener`, and a thread that takes its requests. The accept thread of tiny_http ends at the
/// first error: then this starts again on another port, and here only what had arrived is still answered.
fn receive(listener: TcpListener, shared: Arc<Shared>, handler: Arc<dyn Handler>, runtime: Handle) -> Result<()> {
    let address = listener.local_addr().context("asking for the inner address of the HTTP server")?;
    let server = tiny_http::Server::from_listener(listener, None)
        .map_err(|error| anyhow!("starting the HTTP server: {error}"))?;
    *shared.address.lock().unwrap_or_else(PoisonError::into_inner) = address;
    let work = move || {
        let mut failed: Option<Instant> = None;
        while !shared.stopped.load(Ordering::Relaxed) && failed.is_none_or(|at| at.elapsed() < FINISH_TIME) {
            match server.recv_timeout(Duration::from_secs(1)) {
                Ok(Some(wire)) if passed(&wire, shared.secret.expose_secret()) => {
                    runtime.spawn(answer(wire, handler.clone()));
                }
                Ok(Some(wire)) => {
                    warn!("a request came to the inner address of the HTTP server past its guard, and was refused");
                    refuse(wire);
                }
                Ok(None) => {}
                Err(error) => {
                    warn!("the HTTP server failed and starts anew: {error}");
                    let anew = || receive(loopback()?, shared.clone(), handler.clone(), runtime.clone());
                    while let Err(error) = anew()
                        && !shared.stopped.load(Ordering::Relaxed)
                    {
                        error!("{error:#}");
                        std::thread::sleep(Duration::from_millis(500));
                    }
                    failed = Some(Instant::now());
                }
            }
        }
    };
    std::thread::Builder::new().name("http".into()).spawn(work).context("starting the HTTP thread")?;
    Ok(())
}

/// Whether it carries the secret; compared in constant time.
fn passed(wire: &tiny_http::Request, secret: &str) -> bool {
    let field = wire.headers().iter().find(|header| header.field.equiv(PASSED));
    let shown = field.map(|header| header.value.as_bytes()).unwrap_or_default();
    let difference = shown.iter().zip(secret.as_bytes()).fold(0, |sum, (left, right)| sum | (left ^ right));
    shown.len() == secret.len() && difference == 0
}

/// Answers 403, but never drops a request with an unread body: tiny_http would allocate its whole stated length.
/// Only another process of this machine can send one; what is kept then is its connection.
fn refuse(wire: tiny_http::Request) {
    if wire.body_length().unwrap_or(0) > 1024 {
        std::mem::forget(wire);
    } else {
        let _ = wire.respond(tiny_http::Response::from_string("This address is not for use.\n").with_status_code(403));
    }
}

/// Asks the handler in a task of its own, so that its panic is an answer, too.
async fn answer(wire: tiny_http::Request, handler: Arc<dyn Handler>) {
    let read = tokio::task::spawn_blocking(move || {
        let mut wire = wire;
        read_whole(&mut wire).map(|request| (wire, request))
    });
    let (wire, request) = match read.await {
        Ok(Ok(read)) => read,
        Ok(Err(error)) => return debug!("a request broke off behind the guard: {error}"),
        Err(error) => return error!("a request was lost: {error}"),
    };
    let asked = format!("{} {}", request.method, request.path);
    let asking = tokio::spawn(async move { handler.answer(request).await });
    let response = match timeout(ANSWER_TIME, asking).await {
        Ok(Ok(response)) => response,
        Ok(Err(failed)) => {
            error!("answering {asked} failed: {failed}");
            let words = json!({"error": "this request met a fault in the program", "cure": "its log says more"});
            Response::json(500, &words)
        }
        Err(_) => Response::json(504, &json!({"error": "the answer took too long", "cure": "ask for less at once"})),
    };
    let sent = tokio::task::spawn_blocking(move || wire.respond(on_the_wire(response, &asked)));
    if let Ok(Err(error)) = sent.await {
        debug!("an answer was not taken: {error}");
    }
}

/// The request as handlers see it: a HEAD is a GET, whose body tiny_http leaves out.
fn read_whole(wire: &mut tiny_http::Request) -> std::io::Result<Request> {
    let method = match wire.method() {
        tiny_http::Method::Head => "GET".to_owned(),
        method => method.to_string(),
    };
    let (path, query) = wire.url().split_once('?').unwrap_or((wire.url(), ""));
    let (path, query) = (path.to_owned(), query.to_owned());
    let fields = wire.headers().iter().filter(|header| !header.field.equiv(PASSED));
    let headers =
        fields.map(|header| (header.field.to_string().to_lowercase(), header.value.to_string())).collect::<Vec<_>>();
    // The guard bounds it; dropping a request with an unread rest is what must not happen (see `refuse`).
    let mut body = Vec::new();
    wire.as_reader().read_to_end(&mut body)?;
    Ok(Request { method, path, query, headers, body })
}

/// A field that would break the answer in two, or that tiny_http cannot send, makes it a 500.
fn on_the_wire(response: Response, asked: &str) -> tiny_http::ResponseBox {
    let fault = || {
        let words = "This request met a fault in the program; its log says more.\n";
        tiny_http::Response::from_string(words).with_status_code(500).boxed()
    };
    let mut wire = match response.file {
        None => tiny_http::Response::from_data(response.body).boxed(),
        Some(file) => match file.metadata().map(|about| usize::try_from(about.len())) {
            Ok(Ok(length)) => tiny_http::Response::new(200.into(), Vec::new(), file, Some(length), None).boxed(),
            _ => return fault(),
        },
    }
    .with_status_code(response.status);
    let ours = [("Server".to_owned(), "fitbit2mqtt".to_owned())];
    for (name, value) in ours.iter().chain(&response.headers) {
        let sound = value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match tiny_http::Header::from_bytes(name.as_bytes(), value.as_bytes()) {
            Ok(header) if sound => wire.add_header(header),
            _ => {
                error!("the answer to {asked} has a header field {name} that cannot be sent");
                return fault();
            }
        }
    }
    wire.with_chunked_threshold(usize::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::sleep;

    struct Hello;

    #[async_trait]
    impl Handler for Hello {
        async fn answer(&self, request: Request) -> Response {
            let mut fields = request.headers.iter().map(|(name, _)| name.as_str());
            if fields.any(|name| name == PASSED) { Response::text(500, "told") } else { Response::text(200, "hello") }
        }
    }

    async fn ask(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        String::from_utf8(answer).unwrap()
    }

    async fn with_the_secret(inner: &Inner) -> String {
        let fields = format!("{PASSED}: {}\r\nConnection: close", inner.secret());
        ask(inner.address(), format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes()).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_inner_port_is_of_no_use_without_the_secret() {
        let inner = Inner::start(loopback().unwrap(), Arc::new(Hello), Handle::current()).unwrap();
        let wrong = format!("GET / HTTP/1.1\r\n{PASSED}: {}\r\nConnection: close\r\n\r\n", "0".repeat(64));
        let without: [&[u8]; 3] =
            [b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", wrong.as_bytes(), b"GET / HTTP/1.0\r\n\r\n"];
        for request in without {
            let answer = ask(inner.address(), request).await;
            assert!(answer.starts_with("HTTP/1.") && answer.contains(" 403 "), "{answer}");
        }
        // Dropping this one would ask for more memory than there is, and end the process.
        let mut bomb = TcpStream::connect(inner.address()).await.unwrap();
        bomb.write_all(b"POST / HTTP/1.1\r\nContent-Length: 9223372036854775807\r\n\r\n").await.unwrap();
        sleep(Duration::from_millis(200)).await;
        assert!(with_the_secret(&inner).await.ends_with("hello"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_failed_accept_does_not_end_the_server() {
        let listener = loopback().unwrap();
        let same = listener.try_clone().unwrap();
        let inner = Inner::start(listener, Arc::new(Hello), Handle::current()).unwrap();
        let first = inner.address();
        assert!(with_the_secret(&inner).await.ends_with("hello"));
        // Without blocking, the accept after the next connection fails, as it would when out of files.
        same.set_nonblocking(true).unwrap();
        assert!(with_the_secret(&inner).await.ends_with("hello"));
        for _ in 0..100 {
            sleep(Duration::from_millis(50)).await;
            if inner.address() != first {
                break;
            }
        }
        assert_ne!(inner.address(), first, "it did not start anew");
        assert!(with_the_secret(&inner).await.ends_with("hello"));
    }

    #[test]
    fn an_answer_cannot_be_broken_in_two() {
        let split = Response::text(200, "hello").with("Location", "/a\r\nSet-Cookie: b=c");
        assert_eq!(on_the_wire(split, "GET /").status_code().0, 500);
        let plain = Response::text(303, "").with("Location", "/a?b=c");
        assert_eq!(on_the_wire(plain, "GET /").status_code().0, 303);
    }
}
