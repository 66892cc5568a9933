//! One HTTP/2 connection over TLS.

use crate::Settings;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use std::sync::Arc;
use tokio::net::TcpStream;

/// A connection that many requests share.
#[derive(Clone)]
pub struct Connection {
    sender: http2::SendRequest<Full<Bytes>>,
    authority: String,
    prefix: String,
    authorization: String,
}

/// An answer whose body is still to come.
pub type Answer = http::Response<Incoming>;

impl Connection {
    /// Connects to the server of `settings`, which has to be on loopback.
    pub async fn open(settings: &Settings) -> Result<Self, String> {
        let uri: http::Uri = settings.server.parse().map_err(|error| format!("--server: {error}"))?;
        let host = uri.host().unwrap_or_default().to_owned();
        if !matches!(host.as_str(), "127.0.0.1" | "localhost" | "[::1]") {
            return Err(format!("--server: {host} is not a loopback address"));
        }
        let port = uri.port_u16().unwrap_or(443);
        let mut roots = rustls::RootCertStore::empty();
        let pem = CertificateDer::pem_file_iter(&settings.ca).map_err(|error| format!("--ca: {error}"))?;
        for certificate in pem {
            let certificate = certificate.map_err(|error| format!("--ca: {error}"))?;
            roots.add(certificate).map_err(|error| format!("--ca: {error}"))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect((host.as_str(), port)).await.map_err(|error| format!("connect: {error}"))?;
        socket.set_nodelay(true).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .map_err(|error| format!("TLS: {error}"))?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1024 * 1024)
            .initial_connection_window_size(8 * 1024 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("HTTP/2: {error}"))?;
        // The task ends with the connection.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            authority: format!("{host}:{port}"),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {}", settings.token),
        })
    }

    /// The bearer token of the requests from now on.
    pub fn set_token(&mut self, token: &str) {
        self.authorization = format!("Bearer {token}");
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn send(&mut self, method: &str, path: &str, content_type: &str, body: Bytes) -> Result<Answer, String> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://{}{}{path}", self.authority, self.prefix))
            .header(http::header::AUTHORIZATION, &self.authorization)
            .header(http::header::USER_AGENT, "kcp-load")
            .header(http::header::CONTENT_TYPE, content_type)
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        self.sender.ready().await.map_err(|error| error.to_string())?;
        self.sender.send_request(request).await.map_err(|error| error.to_string())
    }

    /// Sends a request and reads its whole answer; returns the status and the size of the body.
    pub async fn call(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(u16, usize), String> {
        let answer = self.send(method, path, content_type, body).await?;
        let status = answer.status().as_u16();
        let mut body = answer.into_body();
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| error.to_string())?;
            size += frame.data_ref().map_or(0, Bytes::len);
        }
        Ok((status, size))
    }

    /// Sends a request; returns the status and the whole body of its answer.
    pub async fn fetch(
        &mut self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(u16, Bytes), String> {
        let answer = self.send(method, path, content_type, body).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }

    /// The newest revision of a collection.
    pub async fn revision(&mut self, collection: &str) -> Result<String, String> {
        let (_, body) = self.fetch("GET", &format!("{collection}?limit=1"), "application/json", Bytes::new()).await?;
        let list: serde_json::Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        let revision = list["metadata"]["resourceVersion"].as_str();
        revision.map(str::to_owned).ok_or_else(|| format!("{collection} has no resourceVersion"))
    }
}
