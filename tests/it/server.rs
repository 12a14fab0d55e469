//! The HTTP server under clients that are slow, broken, hostile or too many: it says no in plain words, and every good
//! request before, between and after is answered.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fitbit2mqtt::web::server::{Handler, Request, Response, Running, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Says back what it was asked; some paths are slow, large or at fault.
struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn answer(&self, request: Request) -> Response {
        match request.path.as_str() {
            "/panic" => panic!("a fault in the handler"),
            "/slow" => sleep(Duration::from_millis(700)).await,
            "/large" => return Response::text(200, "l".repeat(8 << 20)),
            _ => {}
        }
        let said = format!(
            "method={} path={} query={} host={} body={}:{}",
            request.method,
            request.path,
            request.query,
            request.header("host").unwrap_or("-"),
            request.body.len(),
            String::from_utf8_lossy(&request.body[..request.body.len().min(40)]),
        );
        Response::text(200, said).with("X-Frame-Options", "DENY")
    }
}

fn start() -> (Running, SocketAddr) {
    let running = serve(TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(Echo)).unwrap();
    let address = running.address();
    (running, address)
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("an end of the answer");
    String::from_utf8(answer).unwrap()
}

/// Sends these bytes, gives back everything that is answered until the server closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that refuses early may stop reading.
    let _ = stream.write_all(bytes).await;
    answer(&mut stream).await
}

#[track_caller]
fn assert_status(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "expected {status}, got {answer:?}");
}

async fn assert_lives(address: SocketAddr) {
    let answer = exchange(address, b"GET /well?a=b HTTP/1.1\r\nHost: here\r\n\r\n").await;
    assert_status(&answer, 200);
    assert!(answer.ends_with("method=GET path=/well query=a=b host=here body=0:"), "{answer}");
}

fn post(length: usize) -> Vec<u8> {
    let mut bytes = format!("POST /form HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_arrive_whole() {
    let (running, address) = start();
    assert_lives(address).await;

    let posted = exchange(address, b"POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\nuser=anna&b").await;
    assert_status(&posted, 200);
    assert!(posted.ends_with("body=11:user=anna&b"), "{posted}");
    assert!(
        posted.contains("\r\nConnection: close\r\n") && posted.contains("\r\nX-Frame-Options: DENY\r\n"),
        "{posted}"
    );

    let head = exchange(address, b"HEAD /f HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_status(&head, 200);
    assert!(head.ends_with("\r\n\r\n") && head.contains("Content-Length: "), "{head}");

    let old = exchange(address, b"GET /f HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 200 ") && old.contains("host=-"), "{old}");

    // In single bytes.
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in b"POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab" {
        stream.write_all(&[*byte]).await.unwrap();
    }
    assert!(answer(&mut stream).await.ends_with("body=2:ab"));

    let large = exchange(address, b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(large.split_once("\r\n\r\n").unwrap().1.len(), 8 << 20);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_invited_when_the_client_waits_for_it() {
    let (running, address) = start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /f HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await
        .unwrap();
    let mut invitation = [0; 25];
    timeout(Duration::from_secs(5), stream.read_exact(&mut invitation)).await.unwrap().unwrap();
    assert_eq!(&invitation, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ab").await.unwrap();
    let said = answer(&mut stream).await;
    assert_status(&said, 200);
    assert!(said.ends_with("body=2:ab"), "{said}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_end_at_64_kib() {
    let (running, address) = start();
    let most = exchange(address, &post(65536)).await;
    assert!(most.contains("body=65536:xxx"), "{most}");
    assert_status(&exchange(address, &post(65537)).await, 413);
    assert_status(&exchange(address, &post(3 << 20)).await, 413);
    let announced = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9223372036854775807\r\n\r\n";
    assert_status(&exchange(address, announced).await, 413);
    let endless =
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\nExpect: 100-continue\r\n\r\n";
    assert_status(&exchange(address, endless).await, 413);
    assert_lives(address).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_bounded() {
    let (running, address) = start();
    let fields = |count: usize| (0..count).map(|number| format!("X-{number}: a\r\n")).collect::<String>();
    let with = |fields: String| format!("GET /well HTTP/1.1\r\nHost: h\r\n{fields}\r\n").into_bytes();
    assert_status(&exchange(address, &with(fields(99))).await, 200);
    assert_status(&exchange(address, &with(fields(100))).await, 431);
    assert_status(&exchange(address, &with(fields(5000))).await, 431);
    assert_status(&exchange(address, &with(format!("X: {}\r\n", "a".repeat(17 << 10)))).await, 431);
    // One field that never ends, one address that never ends.
    let mut endless = with(String::new());
    endless.truncate(endless.len() - 2);
    endless.extend_from_slice(b"X: ");
    endless.resize(1 << 20, b'a');
    assert_status(&exchange(address, &endless).await, 431);
    let mut long = b"GET /".to_vec();
    long.resize(1 << 20, b'a');
    assert_status(&exchange(address, &long).await, 414);
    assert_lives(address).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_told_so() {
    let (running, address) = start();
    let tls_hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
    assert_status(&exchange(address, &tls_hello).await, 400);
    assert_status(&exchange(address, &[0; 4096]).await, 400);
    assert_status(&exchange(address, b"\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"GET\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"GET / HTTP/3.7\r\nHost: h\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"GET http://elsewhere/ HTTP/1.1\r\nHost: h\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"GET //elsewhere/ HTTP/1.1\r\nHost: h\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"CONNECT elsewhere:80 HTTP/1.1\r\nHost: h\r\n\r\n").await, 501);
    assert_status(&exchange(address, b"GET / HTTP/1.1\r\n\r\n").await, 400);
    assert_status(&exchange(address, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await, 400);
    assert_lives(address).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled() {
    let (running, address) = start();
    // A second request behind the first is not answered, however it is hidden.
    let second = "GET /second HTTP/1.1\r\nHost: h\r\n\r\n";
    let behind = [
        format!("GET /first HTTP/1.1\r\nHost: h\r\n\r\n{second}"),
        format!("POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n{second}"),
        format!("POST /first HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab{second}"),
        format!("GET /first HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: x\r\n\r\n{second}"),
    ];
    for request in behind {
        let said = exchange(address, request.as_bytes()).await;
        assert_status(&said, 200);
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
        assert!(said.contains("path=/first"), "{said}");
    }
    let two_ways = [
        ("Content-Length: 0\r\nContent-Length: 36", 400),
        ("Content-Length: 36\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked", 411),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding : chunked", 400),
        ("Content-Length: 0\r\n\tTransfer-Encoding: chunked", 400),
        ("Content-Length: 3 6", 400),
    ];
    for (fields, status) in two_ways {
        let request = format!("POST /first HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n0\r\n\r\n{second}");
        let said = exchange(address, request.as_bytes()).await;
        assert_status(&said, status);
        assert!(!said.contains("/second"), "{said}");
    }
    assert_lives(address).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_do_not_stop_a_good_one() {
    let (running, address) = start();
    let mut slow = Vec::new();
    for number in 0..400 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let begun: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET / HT",
            2 => b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab",
            _ => b"GET / HTTP/1.1\r\nHost: h\r\nX: ",
        };
        let _ = stream.write_all(begun).await;
        slow.push(stream);
    }
    let began = Instant::now();
    for _ in 0..5 {
        assert_lives(address).await;
    }
    assert!(began.elapsed() < Duration::from_secs(8), "good requests had to wait for slow ones to time out");
    drop(slow);
    assert_lives(address).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trickling_request_is_ended() {
    let (running, address) = start();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n").await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"X: a\r\n").await.is_ok() {
            sleep(Duration::from_millis(300)).await;
        }
    });
    let mut said = Vec::new();
    let _ = timeout(Duration::from_secs(20), reading.read_to_end(&mut said)).await.expect("an end");
    assert_status(&String::from_utf8(said).unwrap(), 408);
    assert!(began.elapsed() < Duration::from_secs(15));
    trickle.abort();
    assert_lives(address).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_answered_or_turned_away() {
    let (running, address) = start();
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..300 {
        let path = if number % 10 == 0 { "/slow" } else { "/well" };
        flood.spawn(
            async move { exchange(address, format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await },
        );
    }
    let answers = flood.join_all().await;
    let served = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 200 ")).count();
    let refused = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503 ")).count();
    assert_eq!(served + refused, 300, "every client gets an answer");
    assert!(served >= 200, "{served} of 300 were served");
    assert_lives(address).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_take_nothing_do_not_hold_the_server() {
    let (running, address) = start();
    let mut deaf = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        deaf.push(stream);
    }
    assert_lives(address).await;
    assert_lives(address).await;
    // Their places are free again once they had their time.
    let mut said = Vec::new();
    sleep(Duration::from_secs(12)).await;
    let _ = timeout(Duration::from_secs(5), deaf[0].read_to_end(&mut said)).await.expect("cut off");
    assert!(said.len() < 8 << 20, "the answer was kept for a reader that took nothing");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_in_the_handler_is_a_500() {
    let (running, address) = start();
    for _ in 0..3 {
        assert_status(&exchange(address, b"GET /panic HTTP/1.1\r\nHost: h\r\n\r\n").await, 500);
        assert_lives(address).await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_requests_finish_and_frees_the_port() {
    let (running, address) = start();
    let slow = tokio::spawn(exchange(address, b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"));
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /").await.unwrap();
    sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    running.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "a half-sent request held the server");
    assert_status(&slow.await.unwrap(), 200);
    assert_status(&answer(&mut idle).await, 503);

    // The same port again, by a stopped and by a dropped server.
    let running = serve(TcpListener::bind(address).unwrap(), Arc::new(Echo)).unwrap();
    assert_lives(address).await;
    drop(running);
    let mut listener = TcpListener::bind(address);
    for _ in 0..50 {
        if listener.is_ok() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
        listener = TcpListener::bind(address);
    }
    let running = serve(listener.expect("the port is free after a drop"), Arc::new(Echo)).unwrap();
    assert_lives(address).await;
    running.stop().await;
}
