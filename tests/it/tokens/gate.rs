//! A gate before the cloud: requests pass until one is held, before it gets there or before its answer comes back.
//! So a test knows exactly how far a program has come when it is killed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::world::{PATIENCE, World};

/// Where a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The cloud has not seen it.
    Asked,
    /// The cloud has carried it out; its answer is on the way.
    Answered,
}

#[derive(Default)]
struct State {
    hold: Option<(String, Stage)>,
    reached: usize,
    closed: bool,
}

/// The gate; it closes when it is dropped.
pub struct Gate {
    address: SocketAddr,
    cloud: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Gate {
    /// Puts a gate between this world's bridges and its cloud.
    pub fn before(world: &mut World) -> Gate {
        let cloud = world.cloud_url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let gate = Gate { address: listener.local_addr().unwrap(), cloud, state: Arc::default() };
        world.cloud_url = format!("http://{}", gate.address);
        gate.serve(listener);
        gate
    }

    /// From now on, requests with this in their address are held there.
    pub fn hold(&self, address: &str, stage: Stage) {
        let mut state = self.state.0.lock().unwrap();
        state.hold = Some((address.to_owned(), stage));
        state.reached = 0;
    }

    /// Waits until a request is held.
    pub async fn await_reached(&self) {
        let started = Instant::now();
        while self.state.0.lock().unwrap().reached == 0 {
            assert!(started.elapsed() < PATIENCE, "no request came to the gate");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Breaks the connections of what is held; from now on everything passes.
    pub fn open(&self) {
        self.state.0.lock().unwrap().hold = None;
        self.state.1.notify_all();
    }

    /// Refuses connections, as a machine does on which nothing listens.
    pub fn close(&self) {
        self.state.0.lock().unwrap().closed = true;
        // The thread that accepts sees it at the next connection.
        let _ = TcpStream::connect(self.address);
        let started = Instant::now();
        while TcpStream::connect(self.address).is_ok() {
            assert!(started.elapsed() < PATIENCE, "the gate does not close");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Accepts connections again.
    pub fn reopen(&self) {
        self.state.0.lock().unwrap().closed = false;
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    fn serve(&self, listener: TcpListener) {
        let (cloud, state) = (self.cloud.clone(), Arc::clone(&self.state));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if state.0.lock().unwrap().closed {
                    return;
                }
                let (cloud, state) = (cloud.clone(), Arc::clone(&state));
                std::thread::spawn(move || pass(client, &cloud, &state));
            }
        });
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
        self.state.0.lock().unwrap().closed = true;
        let _ = TcpStream::connect(self.address);
    }
}

/// One request and its answer. A client or cloud that goes away ends it.
fn pass(mut client: TcpStream, cloud: &str, state: &(Mutex<State>, Condvar)) -> Option<()> {
    let request = read_request(&mut client)?;
    let line = request.lines().next()?.to_owned();
    stop(&line, Stage::Asked, state)?;
    let mut server = TcpStream::connect(cloud).ok()?;
    // One request a connection: then the end of the answer is the end of the connection.
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    server.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok()?;
    stop(&line, Stage::Answered, state)?;
    client.write_all(&answer).ok()
}

/// `None`: it was held, and goes no further.
fn stop(line: &str, stage: Stage, state: &(Mutex<State>, Condvar)) -> Option<()> {
    let held = |state: &State| state.hold.as_ref().is_some_and(|(address, at)| *at == stage && line.contains(address));
    let mut guard = state.0.lock().unwrap();
    if !held(&guard) {
        return Some(());
    }
    guard.reached += 1;
    drop(state.1.wait_while(guard, |state| held(state)).unwrap());
    None
}

fn read_request(client: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text.into_owned());
            }
        }
        match client.read(&mut piece).ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}
