//! The sample backend, as a process: who answers, what it saw, and how it ends when a port is taken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_weir-sample-backend");

/// A running backend, ended with the test.
struct Backend {
    process: Child,
    addresses: Vec<SocketAddr>,
}

impl Backend {
    fn start(replicas: &[&str], more: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        for replica in replicas {
            command.args(["--listen", &format!("{replica}=127.0.0.1:0")]);
        }
        let mut process = command.args(more).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut ready)
            .unwrap();
        let listening: Vec<_> = ready.trim().strip_prefix("ready ").unwrap().split(' ').collect();
        let addresses = listening
            .iter()
            .zip(replicas)
            .map(|(text, replica)| {
                text.strip_prefix(&format!("{replica}="))
                    .unwrap()
                    .parse()
                    .unwrap()
            })
            .collect();
        Self { process, addresses }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends `request` and reads the head and the body of one answer.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> (String, Vec<u8>) {
    stream.write_all(request).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "closed after {head:?}");
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

#[test]
fn each_port_answers_as_its_own_replica_and_says_what_it_saw() {
    let backend = Backend::start(&["a/primary", "b/replica-1"], &[]);
    for (address, shard, replica, role) in [
        (backend.addresses[0], "a", "primary", "primary"),
        (backend.addresses[1], "b", "replica-1", "replica"),
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = b"POST /users/7?x=1 HTTP/1.1\r\nhost: h\r\nx-weir-shard: a\r\nX-Weir-Other: \xff\r\nx-private: no\r\ncontent-length: 5\r\n\r\nhello";
        // Twice on one connection: the body was read to its end.
        for _ in 0..2 {
            let (head, body) = exchange(&mut stream, request);
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert!(head.contains(&format!("x-sample-shard: {shard}\r\n")), "{head}");
            assert!(
                head.contains(&format!("x-sample-replica: {replica}\r\n")),
                "{head}"
            );
            let expected = serde_json::json!({
                "shard": shard, "replica": replica, "role": role, "method": "POST", "path": "/users/7?x=1",
                "headers": {"x-weir-shard": "a", "x-weir-other": "\u{fffd}"},
            });
            assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), expected);
        }
    }
}

#[test]
fn speaks_http2_without_tls() {
    let backend = Backend::start(&["a/primary"], &[]);
    let mut stream = TcpStream::connect(backend.addresses[0]).unwrap();
    // RFC 9113 section 3.4: the preface and an empty SETTINGS frame; the server's SETTINGS come back.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(
        (frame[3], &frame[5..]),
        (4, &[0; 4][..]),
        "a SETTINGS frame of stream 0"
    );
}

#[test]
fn the_delay_spares_health_checks() {
    let backend = Backend::start(&["a/primary"], &["--delay-ms", "60"]);
    let mut stream = TcpStream::connect(backend.addresses[0]).unwrap();
    let started = Instant::now();
    exchange(&mut stream, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(started.elapsed() >= Duration::from_millis(60));
    let slow = Backend::start(&["a/primary"], &["--delay-ms", "3600000"]);
    let mut stream = TcpStream::connect(slow.addresses[0]).unwrap();
    let (head, _) = exchange(&mut stream, b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
}

#[test]
fn a_taken_port_is_named() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let output = Command::new(BINARY)
        .args(["--listen", &format!("a/replica-2={taken}")])
        .output()
        .unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    let expected = format!("cannot listen on {taken} for a/replica-2");
    assert!(complaint.contains(&expected), "{complaint}");
}

#[test]
fn a_bad_argument_says_what_was_expected() {
    for (argument, expected) in [
        ("a=127.0.0.1:1", "expected SHARD/REPLICA=ADDRESS"),
        ("A/primary=127.0.0.1:1", "expected SHARD/REPLICA=ADDRESS"),
        ("a/primary=localhost:1", "expected an IP address and a port"),
    ] {
        let output = Command::new(BINARY)
            .args(["--listen", argument])
            .output()
            .unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(expected), "{complaint}");
    }
}
