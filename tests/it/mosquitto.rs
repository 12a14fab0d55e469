//! A real mosquitto for one test: six listeners on free ports, its own folder, killed by its own process id. What it
//! holds is seen through mosquitto_sub, a client that shares no code with ours.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::Value as Json;

const INSTALL: &str = "install it with: apt-get install mosquitto mosquitto-clients";
const PATIENCE: Duration = Duration::from_secs(20);

/// A broker that keeps nothing on disk: killed and restarted, it is empty.
pub struct Mosquitto {
    folder: tempfile::TempDir,
    child: Child,
    /// No password.
    pub plain: u16,
    /// User `bridge`, password `secret`, may write and read below `sensors/fitbit` and `fitbit2mqtt` only; user `mute`, of
    /// the same password, may write there and read nothing.
    pub guarded: u16,
    /// TLS, no password.
    pub tls: u16,
    /// TLS with a certificate asked of the client.
    pub mutual: u16,
    /// Web sockets, no password.
    pub websocket: u16,
    /// Web sockets over TLS, no password.
    pub secure_websocket: u16,
}

impl Mosquitto {
    pub fn start() -> Mosquitto {
        Mosquitto::start_with("")
    }

    /// The same with more lines of configuration.
    pub fn start_with(more: &str) -> Mosquitto {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        certificates(&folder);
        fs::write(path("passwd"), "bridge:secret\nmute:secret\n").unwrap();
        let made = Command::new("mosquitto_passwd").args(["-U", &path("passwd")]).status();
        assert!(made.unwrap_or_else(|error| panic!("mosquitto_passwd: {error}; {INSTALL}")).success());
        let may =
            |who: &str, what: &str| format!("user {who}\ntopic {what} sensors/fitbit/#\ntopic {what} fitbit2mqtt/#\n");
        fs::write(path("acl"), may("bridge", "readwrite") + &may("mute", "write")).unwrap();

        let [plain, guarded, tls, mutual, websocket, secure_websocket] = [(); 6].map(|()| free_port());
        let (passwd, acl) = (path("passwd"), path("acl"));
        let (authority, certificate, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
        let encrypted = format!("allow_anonymous true\ncafile {authority}\ncertfile {certificate}\nkeyfile {key}\n");
        let configuration = format!(
            "{more}per_listener_settings true\npersistence false\nlog_type all\nuser root\nmax_queued_messages 10000\n\
             listener {plain} 127.0.0.1\nallow_anonymous true\n\
             listener {guarded} 127.0.0.1\nallow_anonymous false\npassword_file {passwd}\nacl_file {acl}\n\
             listener {tls} 127.0.0.1\n{encrypted}\
             listener {mutual} 127.0.0.1\n{encrypted}require_certificate true\n\
             listener {websocket} 127.0.0.1\nprotocol websockets\nallow_anonymous true\n\
             listener {secure_websocket} 127.0.0.1\nprotocol websockets\n{encrypted}"
        );
        fs::write(path("mosquitto.conf"), configuration).unwrap();
        let child = spawn(&folder);
        Mosquitto { folder, child, plain, guarded, tls, mutual, websocket, secure_websocket }
    }

    /// The way a power cut does it: no farewell to anybody, nothing saved.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// On the same ports, empty.
    pub fn restart(&mut self) {
        self.child = spawn(&self.folder);
    }

    /// A file of the broker's folder: `ca.pem`, `client.pem`, `client.key`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a client that comes now is told: every retained topic but those of the tests themselves.
    pub fn retained(&self) -> BTreeMap<String, String> {
        // At QoS 0 nothing is overtaken, so the second filter's message comes after all of the first's.
        let mut reader = Reader::start(self.plain, &["-q", "0", "-t", "#", "-t", LAST]);
        let mut retained = BTreeMap::new();
        while let Some(seen) = reader.next(PATIENCE) {
            if seen.topic == LAST {
                break;
            }
            assert!(seen.retain, "only retained messages are expected: {seen:?}");
            if !seen.topic.starts_with("test/") {
                retained.insert(seen.topic, seen.payload);
            }
        }
        retained
    }

    /// Waits until the retained topics are these.
    pub fn await_retained(&self, expected: &BTreeMap<String, String>) {
        let began = Instant::now();
        loop {
            let retained = self.retained();
            if retained == *expected {
                return;
            }
            if began.elapsed() > PATIENCE {
                assert_eq!(retained, *expected);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sees everything from now on.
    pub fn watch(&self) -> Reader {
        self.publish("test/watching", "yes", true);
        let more = ["-V", "mqttv5", "--retain-as-published", "-q", "1", "-t", "#"];
        let mut reader = Reader::start(self.plain, &more);
        reader.until("test/watching");
        reader
    }

    pub fn publish(&self, topic: &str, payload: &str, retain: bool) {
        let port = self.plain.to_string();
        let mut command = Command::new("mosquitto_pub");
        command.args(["-p", &port, "-q", "1", "-t", topic, "-m", payload]);
        if retain {
            command.arg("-r");
        }
        assert!(command.status().unwrap().success());
    }

    /// Another client of this name.
    pub fn intrude(&self, client_id: &str) {
        let port = self.plain.to_string();
        let status =
            Command::new("mosquitto_pub").args(["-p", &port, "-i", client_id, "-t", "test/intruder", "-n"]).status();
        assert!(status.unwrap().success());
    }
}

/// Always retained by mosquitto itself.
const LAST: &str = "$SYS/broker/version";

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.file("mosquitto.log")).unwrap_or_default());
        }
    }
}

/// One message as mosquitto_sub saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub topic: String,
    pub payload: String,
    pub retain: bool,
    pub qos: i64,
}

/// A running mosquitto_sub.
pub struct Reader {
    child: Child,
    lines: Receiver<String>,
}

impl Reader {
    pub fn start(port: u16, more: &[&str]) -> Reader {
        let mut child = Command::new("mosquitto_sub")
            .args(["-p", &port.to_string(), "-F", "%j"])
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("mosquitto_sub: {error}; {INSTALL}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Reader { child, lines }
    }

    pub fn next(&mut self, patience: Duration) -> Option<Seen> {
        let line = self.lines.recv_timeout(patience).ok()?;
        let json: Json = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        Some(Seen {
            topic: json["topic"].as_str().unwrap().to_owned(),
            payload: json["payload"].as_str().unwrap_or_default().to_owned(),
            retain: json["retain"] == 1,
            qos: json["qos"].as_i64().unwrap(),
        })
    }

    /// Everything seen before the first message on `topic`.
    pub fn until(&mut self, topic: &str) -> Vec<Seen> {
        let mut all = Vec::new();
        loop {
            match self.next(PATIENCE) {
                Some(seen) if seen.topic == topic => return all,
                Some(seen) => all.push(seen),
                None => panic!("nothing was seen on {topic}, only {all:?}"),
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free now, given once, and below those that outgoing connections take.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = rand::random_range(10_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

fn spawn(folder: &tempfile::TempDir) -> Child {
    let log = folder.path().join("mosquitto.log");
    // Debian puts it where only root's PATH looks.
    let program = if PathBuf::from("/usr/sbin/mosquitto").exists() { "/usr/sbin/mosquitto" } else { "mosquitto" };
    let mut child = Command::new(program)
        .arg("-c")
        .arg(folder.path().join("mosquitto.conf"))
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap_or_else(|error| panic!("mosquitto: {error}; {INSTALL}"));
    let began = Instant::now();
    // Only its own word counts: on its port somebody else might answer.
    while !fs::read_to_string(&log).unwrap().contains(" running") {
        if child.try_wait().unwrap().is_some() || began.elapsed() > PATIENCE {
            panic!("mosquitto did not start: {}", fs::read_to_string(&log).unwrap());
        }
        thread::sleep(Duration::from_millis(5));
    }
    child
}

/// An authority, a server certificate for `localhost`, a client certificate.
fn certificates(folder: &tempfile::TempDir) {
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    // Of the same name as what it signs, it would be looked for in vain.
    authority.distinguished_name.push(DnType::CommonName, "authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    write("ca.pem", authority.pem());
    for (name, host) in [("server", "localhost"), ("client", "bridge")] {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        write(&format!("{name}.pem"), certificate.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}
