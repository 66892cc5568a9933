//! What peers see of a listener, over real sockets.

mod support;

use http_body_util::BodyExt;
use kcp_listener::{Drained, Limits};
use rcgen::ExtendedKeyUsagePurpose;
use std::time::Duration;
use support::{Authority, start, text};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(20);

/// kube-api 3.5.20: both protocols are served, HTTP/2 with room for many watches on a connection.
#[tokio::test]
async fn both_protocols_carry_requests_and_bodies() {
    let running = start(Limits::default(), None).await;
    let mut http1 = running.http1(None).await;
    let mut http2 = running.http2().await;
    assert_eq!(text(http1.send("POST", "/echo", "one").await).await, "one");
    assert_eq!(text(http2.send("POST", "/echo", "two").await).await, "two");
    let mut watches = Vec::new();
    for _ in 0..200 {
        let mut watch = http2.send("GET", "/watch", "").await;
        watch.frame().await.unwrap().unwrap();
        watches.push(watch);
    }
    assert_eq!(text(http2.send("GET", "/", "").await).await, "hello");
}

#[tokio::test]
async fn a_head_request_gets_the_length_and_no_body_over_both_protocols() {
    let running = start(Limits::default(), None).await;
    let answers =
        [running.http1(None).await.send("HEAD", "/", "").await, running.http2().await.send("HEAD", "/", "").await];
    for answer in answers {
        assert_eq!(answer.headers()["content-length"], "5");
        assert_eq!(text(answer).await, "");
    }
}

#[tokio::test]
async fn a_panic_is_answered_500_and_spares_the_connection() {
    let running = start(Limits::default(), None).await;
    let mut http1 = running.http1(None).await;
    let mut http2 = running.http2().await;
    assert_eq!(http1.send("GET", "/panic", "").await.status(), 500);
    assert_eq!(http2.send("GET", "/panic", "").await.status(), 500);
    assert_eq!(text(http1.send("GET", "/", "").await).await, "hello");
    assert_eq!(text(http2.send("GET", "/", "").await).await, "hello");
}

#[tokio::test]
async fn client_certificates_are_optional_and_a_foreign_one_is_reported_as_refused() {
    let ca = Authority::new();
    let running = start(Limits::default(), Some(&ca)).await;
    let good = ca.issue(ExtendedKeyUsagePurpose::ClientAuth);
    let for_serving = ca.issue(ExtendedKeyUsagePurpose::ServerAuth);
    let foreign = Authority::new().issue(ExtendedKeyUsagePurpose::ClientAuth);
    for (identity, seen) in
        [(None, "none"), (Some(&good), "verified"), (Some(&for_serving), "refused"), (Some(&foreign), "refused")]
    {
        let mut client = running.http1(identity).await;
        assert_eq!(text(client.send("GET", "/peer", "").await).await, seen);
    }
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_handshake_is_cut() {
    let running = start(Limits { handshake: SOON, ..Limits::default() }, None).await;
    let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
    stream.write_all(&[22, 3, 1]).await.unwrap();
    let read = tokio::time::timeout(LONG, stream.read(&mut [0; 16])).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_peer_that_does_not_begin_http2_is_cut() {
    let running = start(Limits { handshake: SOON, ..Limits::default() }, None).await;
    for begun in [&b""[..], b"PRI * HTTP/2.0", b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"] {
        let mut stream = running.connect(b"h2", None).await;
        stream.write_all(begun).await.unwrap();
        let read = tokio::time::timeout(LONG, stream.read(&mut [0; 64])).await.unwrap();
        assert!(matches!(read, Ok(0) | Err(_)), "{begun:?}");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_finish_its_head_is_cut() {
    let running = start(Limits { head: SOON, ..Limits::default() }, None).await;
    let mut stream = running.connect(b"http/1.1", None).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: lo").await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await.unwrap();
    assert!(read.is_err() || !rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_stops_coming_is_an_error_to_the_handler() {
    let running = start(Limits { body_idle: SOON, ..Limits::default() }, None).await;
    let mut stream = running.connect(b"http/1.1", None).await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    let mut first = [0; 12];
    tokio::time::timeout(LONG, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 408");
}

#[tokio::test]
async fn an_answer_to_an_unread_body_arrives_and_the_connection_stays() {
    let running = start(Limits::default(), None).await;
    let mut stream = running.connect(b"http/1.1", None).await;
    let (mut reader, mut writer) = tokio::io::split(&mut stream);
    let length = 2 * 1024 * 1024;
    let head = format!("POST /refuse HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
    let writing = async {
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&vec![b'x'; length]).await.unwrap();
        writer.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    };
    let mut answers = String::new();
    let reading = reader.read_to_string(&mut answers);
    let (_, read) = tokio::time::timeout(LONG, async { tokio::join!(writing, reading) }).await.unwrap();
    assert!(read.is_ok() || answers.ends_with("hello"));
    assert!(answers.starts_with("HTTP/1.1 413"));
    assert!(answers.contains("too large"));
    assert!(answers.ends_with("hello"));
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused() {
    let running = start(Limits { head_bytes: 16 * 1024, ..Limits::default() }, None).await;
    let mut stream = running.connect(b"http/1.1", None).await;
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n\r\n", "x".repeat(32 * 1024));
    // The server may answer and close before it has read all of it.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut first = [0; 12];
    tokio::time::timeout(LONG, stream.read_exact(&mut first)).await.unwrap().unwrap();
    assert_eq!(&first, b"HTTP/1.1 431");
}

#[tokio::test]
async fn a_client_that_opens_and_resets_streams_without_end_harms_nobody_else() {
    let running = start(Limits::default(), None).await;
    let mut storm = running.http2().await;
    let mut other = running.http2().await;
    for _ in 0..5000 {
        if !storm.reset("/stuck").await {
            break;
        }
    }
    let answer = tokio::time::timeout(LONG, other.send("GET", "/", "")).await.unwrap();
    assert_eq!(text(answer).await, "hello");
    // What the storm left behind does not keep a drain waiting.
    drop(storm);
    let drained = tokio::time::timeout(LONG, running.listener.drain(LONG)).await.unwrap();
    assert_eq!(drained, Drained { cut: 0 });
}

#[tokio::test]
async fn a_drain_ends_watches_and_idle_connections_at_once() {
    let running = start(Limits::default(), None).await;
    let idle = running.http1(None).await;
    let mut http2 = running.http2().await;
    let mut watch = http2.send("GET", "/watch", "").await;
    watch.frame().await.unwrap().unwrap();
    let address = running.address;
    let drained = tokio::time::timeout(LONG, running.listener.drain(LONG)).await.unwrap();
    assert_eq!(drained, Drained { cut: 0 });
    assert_eq!(text(watch).await, "", "the stream ended without an error");
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_drain_cuts_what_does_not_end_in_time() {
    let running = start(Limits::default(), None).await;
    let mut http2 = running.http2().await;
    let mut stuck = http2.send("GET", "/stuck", "").await;
    stuck.frame().await.unwrap().unwrap();
    assert_eq!(running.listener.drain(SOON).await, Drained { cut: 1 });
}

/// A client that asks for more than the sockets' buffers hold and never reads it would otherwise be kept until TCP gives
/// up, which with a live peer is never.
#[tokio::test]
async fn a_peer_that_does_not_read_its_answer_is_cut() {
    let mut running = start(Limits { unread: SOON, ..Limits::default() }, None).await;
    let mut stream = running.connect(b"http/1.1", None).await;
    stream.write_all(b"GET /flood HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let given_up = running.given_up.wait_for(|count| *count == 1);
    tokio::time::timeout(LONG, given_up).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_that_is_given_no_window_is_reset_and_spares_idle_watches_of_its_connection() {
    let mut running = start(Limits { unread: SOON, ..Limits::default() }, None).await;
    let mut http2 = running.http2().await;
    let mut watch = http2.send("GET", "/watch", "").await;
    watch.frame().await.unwrap().unwrap();
    let mut flood = http2.send("GET", "/flood", "").await;
    let given_up = running.given_up.wait_for(|count| *count == 1);
    tokio::time::timeout(LONG, given_up).await.unwrap().unwrap();
    // The watch has been silent for longer than the flood was given.
    while let Some(frame) = flood.frame().await {
        let Ok(_) = frame else { break };
    }
    assert_eq!(text(http2.send("GET", "/", "").await).await, "hello");
    let drained = tokio::time::timeout(LONG, running.listener.drain(LONG)).await.unwrap();
    assert_eq!((text(watch).await.as_str(), drained), ("", Drained { cut: 0 }));
}

#[tokio::test]
async fn a_whole_answer_that_nobody_reads_is_given_up_and_one_that_is_read_arrives() {
    let mut running = start(Limits { unread: SOON, ..Limits::default() }, None).await;
    let unread = running.http2().await.send("GET", "/large", "").await;
    // Given as long as a flood that begins later.
    let _flood = running.http2().await.send("GET", "/flood", "").await;
    tokio::time::timeout(LONG, running.given_up.wait_for(|count| *count == 1)).await.unwrap().unwrap();
    assert!(unread.into_body().collect().await.is_err());
    let running = start(Limits::default(), None).await;
    let read = running.http1(None).await.send("GET", "/large", "").await;
    assert_eq!(read.into_body().collect().await.unwrap().to_bytes().len(), support::LARGE);
}

#[tokio::test]
async fn a_request_over_http1_names_one_host() {
    let running = start(Limits::default(), None).await;
    for (hosts, text) in [("", "missing required"), ("host: a\r\nhost: b\r\n", "too many")] {
        let mut stream = running.connect(b"http/1.1", None).await;
        stream.write_all(format!("GET / HTTP/1.1\r\n{hosts}\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = tokio::time::timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains(text), "{answer}");
    }
    let mut stream = running.connect(b"http/1.1", None).await;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = tokio::time::timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let running = start(Limits::default(), None).await;
    let error = kcp_listener::bind(running.address).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}
