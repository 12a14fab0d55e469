//! The door of the HTTP server: how many connections there are, whose turn it is, and the way of one request through
//! the guard to the server behind it and back. It reads nothing of what passes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::{debug, error, warn};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use super::guard::{self, Complete, Refusal};
use super::server::{ANSWER_TIME, Inner, PASSED};

/// Open connections; with two inner sockets for each request this stays below the usual 1024 open files.
const CONNECTIONS: usize = 256;
/// Requests whose answer is in the making; one that is being delivered counts as a connection only, or readers that
/// take nothing would hold up everyone else.
const RUNNING: usize = 64;
/// How long a complete request waits for its turn.
const TURN_TIME: Duration = Duration::from_secs(10);
/// A connection that has shown no complete request for so long gives way to new ones when all places are taken.
const PATIENCE: Duration = Duration::from_secs(1);
/// For one piece of an answer to be taken by the client, and for a whole answer.
const PIECE_TIME: Duration = Duration::from_secs(10);
const DELIVERY_TIME: Duration = Duration::from_secs(120);

/// How far along its life the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everyone is let in.
    Open,
    /// Nobody new; what runs may finish.
    Finishing,
    /// Everything is cut off.
    Over,
}

/// Accepts until told to stop. An error (out of files, a client gone again) passes; the server stays.
pub(super) async fn accept(
    listener: TcpListener,
    inner: Inner,
    mut phases: watch::Receiver<Phase>,
    alive: mpsc::Sender<()>,
) {
    let door = Arc::new(Door::new(inner));
    for number in 0.. {
        let closing = phases.clone();
        let next = async {
            let place = door.place().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            biased;
            _ = phases.wait_for(|phase| *phase != Phase::Open) => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let (door, alive) = (door.clone(), alive.clone());
                tokio::spawn(async move {
                    let mut over = closing.clone();
                    tokio::select! {
                        () = connection(stream, number, &door, closing) => {}
                        _ = over.wait_for(|phase| *phase == Phase::Over) => {}
                    }
                    door.leave(number);
                    drop((place, alive));
                });
            }
            Err(error) => {
                warn!("a connection could not be accepted: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One connection: one request, one answer.
async fn connection(mut client: TcpStream, number: u64, door: &Door, mut phases: watch::Receiver<Phase>) {
    let _ = client.set_nodelay(true);
    let evicted = door.enter(number);
    let read = tokio::select! {
        read = guard::read(&mut client) => read,
        _ = evicted => {
            // Only what the socket takes at once: the place is needed.
            let answer = guard::refusal(503, "Too many connections; this one waited longest without a request.");
            let _ = client.try_write(answer.as_bytes());
            return;
        }
        _ = phases.wait_for(|phase| *phase != Phase::Open) => Err(Refusal::Spoken(503, "The server is stopping.")),
    };
    door.leave(number);
    let answered = match read {
        Ok(request) => pass_on(&request, door, &mut client).await,
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(()) => {}
        Err(Refusal::Silent) => return,
        Err(Refusal::Spoken(status, words)) => {
            debug!("a request was refused: {status} {words}");
            let answer = guard::refusal(status, words);
            let _ = timeout(PIECE_TIME, client.write_all(answer.as_bytes())).await;
        }
    }
    farewell(client).await;
}

/// Closes so that the answer arrives: a socket closed on unread bytes resets, and takes the answer with it.
async fn farewell(mut client: TcpStream) {
    let _ = client.shutdown().await;
    let drain = async {
        let mut rest = [0; 4096];
        for _ in 0..256 {
            if !matches!(client.read(&mut rest).await, Ok(count) if count > 0) {
                return;
            }
        }
    };
    let _ = timeout(Duration::from_secs(2), drain).await;
}

/// Passes a complete request to the server behind the guard, and its answer back.
async fn pass_on(request: &Complete, door: &Door, client: &mut TcpStream) -> Result<(), Refusal> {
    let busy = Refusal::Spoken(503, "Too many requests are being answered; try again in a minute.");
    let turn = timeout(TURN_TIME, door.running.acquire()).await.map_err(|_| busy)?;
    let unreachable = |error: std::io::Error| {
        error!("the HTTP server behind the guard does not answer: {error}");
        Refusal::Spoken(503, "The server is being restarted; try again.")
    };
    let mut server = TcpStream::connect(door.inner.address()).await.map_err(unreachable)?;
    let bytes = request.bytes((PASSED, door.inner.secret()));
    server.write_all(&bytes).await.map_err(unreachable)?;

    let mut piece = vec![0; 16 * 1024];
    let (mut filled, deadline) = (0, tokio::time::Instant::now() + ANSWER_TIME + PIECE_TIME);
    let line = loop {
        let read = tokio::time::timeout_at(deadline, server.read(&mut piece[filled..])).await;
        let count = read.map_err(|_| Refusal::Spoken(504, "The answer took too long."))?.map_err(unreachable)?;
        filled += count;
        if let Some(end) = piece[..filled].windows(2).position(|two| two == b"\r\n") {
            break end + 2;
        }
        if count == 0 || filled == piece.len() {
            return Err(Refusal::Spoken(500, "The server gave no answer."));
        }
    };
    drop(turn);
    // From here on the client has part of an answer: what fails is only cut off.
    let delivery = async {
        deliver(client, &piece[..line]).await?;
        deliver(client, b"Connection: close\r\n").await?;
        deliver(client, &piece[line..filled]).await?;
        relay(&mut server, client, &mut piece).await
    };
    if let Ok(Err(error)) = timeout(DELIVERY_TIME, delivery).await.inspect_err(|_| debug!("an answer was not taken")) {
        debug!("an answer was not taken: {error}");
    }
    Ok(())
}

async fn relay(server: &mut TcpStream, client: &mut TcpStream, piece: &mut [u8]) -> std::io::Result<()> {
    loop {
        match server.read(piece).await? {
            0 => return Ok(()),
            count => deliver(client, &piece[..count]).await?,
        }
    }
}

async fn deliver(client: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    timeout(PIECE_TIME, client.write_all(bytes)).await?
}

/// What all connections share.
struct Door {
    connections: Arc<Semaphore>,
    running: Semaphore,
    /// Connections that have not shown a complete request yet, oldest first, and how to tell them to go.
    reading: Mutex<BTreeMap<u64, (Instant, oneshot::Sender<()>)>>,
    inner: Inner,
}

impl Door {
    fn new(inner: Inner) -> Door {
        Door {
            connections: Arc::new(Semaphore::new(CONNECTIONS)),
            running: Semaphore::new(RUNNING),
            reading: Mutex::default(),
            inner,
        }
    }

    /// A place for one more connection; when all are taken, the one that has dawdled longest goes.
    async fn place(&self) -> OwnedSemaphorePermit {
        loop {
            if let Ok(place) = self.connections.clone().try_acquire_owned() {
                return place;
            }
            self.evict();
            if let Ok(Ok(place)) = timeout(Duration::from_millis(50), self.connections.clone().acquire_owned()).await {
                return place;
            }
        }
    }

    fn evict(&self) {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(oldest) = reading.first_entry().filter(|oldest| oldest.get().0.elapsed() >= PATIENCE) {
            let _ = oldest.remove().1.send(());
        }
    }

    fn enter(&self, number: u64) -> oneshot::Receiver<()> {
        let (evict, evicted) = oneshot::channel();
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        reading.insert(number, (Instant::now(), evict));
        evicted
    }

    fn leave(&self, number: u64) {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }
}
