//! The embedded broker, for `demo` and `mqtt.url = "embedded"`: the only file that mentions rumqttd. Speaks MQTT 3.1.1
//! without encryption, keeps nothing on disk, and cannot be stopped: it lives as long as the process.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use secrecy::{ExposeSecret, SecretString};

/// As much as a client of ours sends, and some more.
const LARGEST_PAYLOAD: usize = 2 * 1024 * 1024;
const START: Duration = Duration::from_secs(5);

/// Starts a broker on `listen` (port 0: a free one) and gives its address once it accepts clients. With credentials,
/// nobody else is let in; without, `listen` must be loopback.
pub fn start(listen: SocketAddr, credentials: Option<(String, SecretString)>) -> Result<SocketAddr> {
    ensure!(
        listen.ip().is_loopback() || credentials.is_some(),
        "the embedded broker listens off loopback ({listen}) only with mqtt.username and mqtt.password"
    );
    // The broker neither tells which port it was given nor that one was taken, so this is found out before.
    let listen = TcpListener::bind(listen).and_then(|listener| listener.local_addr()).with_context(|| {
        format!("the embedded broker cannot listen on {listen}; choose another port, or 0 for a free one")
    })?;

    let mut broker = Broker::new(config(listen, credentials.as_ref()));
    let thread = thread::Builder::new()
        .name("broker".into())
        .spawn(move || broker.start().map_err(|error| error.to_string()))
        .context("starting the embedded broker")?;
    let began = Instant::now();
    while !accepts(listen, credentials.as_ref()) {
        if thread.is_finished() {
            bail!("the embedded broker ended at once; another program may have taken {listen}");
        }
        ensure!(began.elapsed() < START, "the embedded broker does not answer on {listen}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(listen)
}

fn config(listen: SocketAddr, credentials: Option<&(String, SecretString)>) -> Config {
    let auth = credentials
        .map(|(username, password)| HashMap::from([(username.clone(), password.expose_secret().to_owned())]));
    let connections = ConnectionSettings {
        connection_timeout_ms: 10_000,
        max_payload_size: LARGEST_PAYLOAD,
        max_inflight_count: 100,
        auth,
        external_auth: None,
        dynamic_filters: true,
    };
    let server = ServerSettings { name: "mqtt".into(), listen, tls: None, next_connection_delay_ms: 1, connections };
    Config {
        router: RouterConfig {
            max_connections: 1_000,
            max_outgoing_packet_count: 200,
            // Per topic filter, so kept small: a segment is memory.
            max_segment_size: LARGEST_PAYLOAD * 2,
            max_segment_count: 4,
            ..RouterConfig::default()
        },
        v4: Some(HashMap::from([("mqtt".to_owned(), server)])),
        ..Config::default()
    }
}

/// Connects as a client does: a mere look at the port would leave a complaint in the broker's log.
fn accepts(address: SocketAddr, credentials: Option<&(String, SecretString)>) -> bool {
    let attempt = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, START)?;
        stream.set_read_timeout(Some(START))?;
        stream.write_all(&connect_packet(credentials))?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        stream.write_all(&[0xE0, 0])?;
        Ok(answer == [0x20, 2, 0, 0])
    };
    attempt().unwrap_or(false)
}

/// CONNECT of MQTT 3.1.1 (section 3.1): clean session, keep-alive 10 s.
fn connect_packet(credentials: Option<&(String, SecretString)>) -> Vec<u8> {
    let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, if credentials.is_some() { 0xC2 } else { 0x02 }, 0, 10];
    let mut text = |text: &str| {
        // Longer credentials than MQTT can carry are cut here and then refused by the broker.
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        body.extend(length.to_be_bytes());
        body.extend(&text.as_bytes()[..usize::from(length)]);
    };
    text("fitbit2mqtt-start");
    if let Some((username, password)) = credentials {
        text(username);
        text(password.expose_secret());
    }
    let mut packet = vec![0x10];
    let mut left = body.len();
    loop {
        let digit = (left % 128) as u8;
        left /= 128;
        packet.push(if left > 0 { digit | 0x80 } else { digit });
        if left == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}
