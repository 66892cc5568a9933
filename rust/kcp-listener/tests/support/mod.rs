//! A listener with a scripted handler, and clients for it.

use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kcp_apiserver::{Body, Peer, RequestBody, Response};
use kcp_listener::{Handler, Limits, Listener, Settings, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub type Connection = TlsStream<TcpStream>;

/// A CA of its own per test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn issue(&self, usage: ExtendedKeyUsagePurpose) -> Identity {
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

/// Answers by path: `/echo` the body, `/peer` who is calling, `/refuse` 413 with the body unread, `/panic` not at all,
/// `/watch` a stream that ends when the listener drains, `/stuck` a stream that never ends, `/flood` a stream that
/// always has more, `/large` 32 MiB at once.
#[derive(Default)]
pub struct Script {
    draining: watch::Sender<bool>,
    given_up: Arc<watch::Sender<usize>>,
}

/// Counts the floods that were dropped.
struct Flood(Arc<watch::Sender<usize>>);

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count += 1);
    }
}

impl Handler for Script {
    async fn handle(self: Arc<Self>, request: http::Request<RequestBody>, peer: Peer) -> Response {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/echo" => match request.into_body().collect().await {
                Ok(body) => Response::new(Body::full(body.to_bytes())),
                Err(error) => {
                    let mut response = Response::new(Body::full(error.to_string()));
                    *response.status_mut() = http::StatusCode::REQUEST_TIMEOUT;
                    response
                }
            },
            "/peer" => {
                let shown = match (&peer.client_certificate, &peer.client_certificate_refused) {
                    (Some(_), None) => "verified",
                    (None, Some(_)) => "refused",
                    (None, None) => "none",
                    (Some(_), Some(_)) => "both",
                };
                Response::new(Body::full(shown))
            }
            "/refuse" => {
                let mut response = Response::new(Body::full("too large"));
                *response.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
                response
            }
            "/panic" => panic!("as the test wanted"),
            "/watch" => self.stream(false),
            "/stuck" => self.stream(true),
            "/flood" => {
                let flood = Flood(Arc::clone(&self.given_up));
                let frames = futures_util::stream::unfold(flood, |flood| async {
                    let frame = http_body::Frame::data(bytes::Bytes::from_static(&[b'x'; 16 * 1024]));
                    Some((Ok(frame), flood))
                });
                Response::new(Body::stream(StreamBody::new(frames)))
            }
            "/large" => Response::new(Body::full(vec![b'x'; LARGE])),
            _ => Response::new(Body::full("hello")),
        }
    }

    fn drain(&self) {
        self.draining.send_replace(true);
    }
}

impl Script {
    fn stream(&self, stuck: bool) -> Response {
        let mut draining = self.draining.subscribe();
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            let first = http_body::Frame::data(bytes::Bytes::from_static(b"first\n"));
            sender.send(Ok(first)).await.unwrap();
            if stuck {
                sender.closed().await;
            } else {
                let _ = draining.wait_for(|draining| *draining).await;
            }
        });
        let frames = futures_util::stream::unfold(receiver, |mut receiver| async {
            receiver.recv().await.map(|frame| (frame, receiver))
        });
        Response::new(Body::stream(StreamBody::new(frames)))
    }
}

/// Bytes of `/large`.
pub const LARGE: usize = 32 * 1024 * 1024;

/// A running listener and what a client needs to reach it.
pub struct Running {
    pub listener: Listener,
    pub address: SocketAddr,
    pub authority: Authority,
    /// Floods that were dropped.
    pub given_up: watch::Receiver<usize>,
}

pub async fn start(limits: Limits, client_ca: Option<&Authority>) -> Running {
    let authority = Authority::new();
    let serving = authority.issue(ExtendedKeyUsagePurpose::ServerAuth);
    let client_ca = client_ca.map(Authority::pem);
    let tls = Tls::new(serving.chain.as_bytes(), serving.key.as_bytes(), client_ca.as_deref().map(str::as_bytes));
    let socket = kcp_listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let settings = Settings { socket, tls: tls.unwrap(), limits };
    let script = Arc::new(Script::default());
    let given_up = script.given_up.subscribe();
    let listener = Listener::open(settings, script).unwrap();
    Running { address: listener.address(), listener, authority, given_up }
}

impl Running {
    pub async fn connect(&self, protocol: &[u8], identity: Option<&Identity>) -> Connection {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.chain.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
    }

    pub async fn http1(&self, identity: Option<&Identity>) -> Http1 {
        let stream = TokioIo::new(self.connect(b"http/1.1", identity).await);
        let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Http1(sender)
    }

    pub async fn http2(&self) -> Http2 {
        let stream = TokioIo::new(self.connect(b"h2", None).await);
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        Http2(sender)
    }
}

pub struct Http1(hyper::client::conn::http1::SendRequest<Full<bytes::Bytes>>);
pub struct Http2(hyper::client::conn::http2::SendRequest<Full<bytes::Bytes>>);

pub fn request(method: &str, path: &str, body: &'static str) -> http::Request<Full<bytes::Bytes>> {
    let uri = format!("https://localhost{path}");
    http::Request::builder().method(method).uri(uri).header("host", "localhost").body(body.into()).unwrap()
}

pub type Answer = http::Response<hyper::body::Incoming>;

impl Http1 {
    pub async fn send(&mut self, method: &str, path: &str, body: &'static str) -> Answer {
        self.0.send_request(request(method, path, body)).await.unwrap()
    }
}

impl Http2 {
    pub async fn send(&mut self, method: &str, path: &str, body: &'static str) -> Answer {
        self.0.send_request(request(method, path, body)).await.unwrap()
    }
}

impl Http2 {
    /// Opens a stream and resets it at once; tells whether the connection still stands.
    pub async fn reset(&mut self, path: &str) -> bool {
        let sent = self.0.send_request(request("GET", path, ""));
        // Polled once and dropped: the request goes out, and the reset after it.
        let _ = futures_util::FutureExt::now_or_never(sent);
        tokio::task::yield_now().await;
        !self.0.is_closed()
    }
}

pub async fn text(answer: Answer) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}
