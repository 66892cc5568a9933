//! Certificates: the server's own, and what clients show.
//!
//! A client certificate is asked for when there is a client CA. The handshake succeeds whatever the client shows, as
//! long as it holds the key: a certificate that does not verify is reported to authentication, which answers 401 as
//! Kubernetes does, instead of breaking the connection with an alert.

use kcp_apiserver::Peer;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use std::net::SocketAddr;
use std::sync::Arc;

/// Why certificates cannot be used.
#[derive(Debug)]
pub struct TlsError(String);

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

/// A serving certificate and the CA of client certificates.
#[derive(Clone)]
pub struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    client_verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl Tls {
    /// Reads PEM: the serving chain (leaf first), its key, and the CA bundle that client certificates are verified
    /// against, if they are to be asked for.
    ///
    /// # Errors
    /// One line telling which of the three cannot be used and why.
    pub fn new(chain: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(chain, "serving certificate")?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| TlsError(format!("the serving key cannot be read: {error}")))?;
        let client_verifier = client_ca.map(|pem| verifier(pem, &provider)).transpose()?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError(error.to_string()))?;
        let builder = match &client_verifier {
            Some(inner) => builder.with_client_cert_verifier(Arc::new(AskOnly(Arc::clone(inner)))),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsError(format!("the serving certificate and key cannot be used: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), client_verifier })
    }

    /// What authentication is told about the other end.
    pub(crate) fn peer(&self, address: SocketAddr, shown: Option<&[CertificateDer<'_>]>) -> Peer {
        let mut peer = Peer { address: Some(address), ..Peer::default() };
        if let (Some(verifier), Some([leaf, intermediates @ ..])) = (&self.client_verifier, shown) {
            match verifier.verify_client_cert(leaf, intermediates, UnixTime::now()) {
                Ok(_) => peer.client_certificate = Some(bytes::Bytes::copy_from_slice(leaf)),
                Err(error) => peer.client_certificate_refused = Some(error.to_string().into()),
            }
        }
        peer
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let list = list.map_err(|error| TlsError(format!("the {what} cannot be read: {error}")))?;
    if list.is_empty() {
        return Err(TlsError(format!("the {what} holds no PEM certificate")));
    }
    Ok(list)
}

fn verifier(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem, "client CA")? {
        roots.add(certificate).map_err(|error| TlsError(format!("the client CA cannot be used: {error}")))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map(|verifier| verifier as Arc<dyn ClientCertVerifier>)
        .map_err(|error| TlsError(format!("the client CA cannot be used: {error}")))
}

/// Lets every certificate through the handshake, but only with proof that the client holds its key.
#[derive(Debug)]
struct AskOnly(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AskOnly {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // The chain is verified after the handshake, in `Tls::peer`.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
