//! The server's own certificate authority, its serving certificate, and the key that signs service accounts' tokens.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long the authority is valid.
const AUTHORITY_YEARS: i32 = 10;
/// How long a serving certificate is valid; a start with less than half of it left makes a new one.
const SERVING_YEARS: i32 = 2;

/// PEM of a certificate and of its key.
type Pair = (String, String);

fn key(pem: &str) -> PyResult<KeyPair> {
    KeyPair::from_pem(pem).map_err(|error| PyValueError::new_err(format!("the key cannot be used: {error}")))
}

fn refused(error: rcgen::Error) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The authority's parameters. They have no part that varies but the dates, so that an issuer is rebuilt from them.
fn authority(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    limit(&mut params, AUTHORITY_YEARS);
    params
}

/// Sets the dates: from yesterday, so that a client whose clock is a little behind accepts the certificate.
fn limit(params: &mut CertificateParams, years: i32) {
    let today = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date();
    let from = today.yesterday().unwrap_or(today);
    let month = u8::try_from(from.month()).unwrap_or(1);
    // The 29th of February has no counterpart in most years.
    let day = u8::try_from(from.day()).unwrap_or(1).min(28);
    let year = i32::from(from.year());
    params.not_before = date_time_ymd(year, month, day);
    params.not_after = date_time_ymd(year + years, month, day);
}

/// Makes a private key, ECDSA P-256, as PKCS#8 PEM.
#[pyfunction]
pub fn make_key(py: Python<'_>) -> PyResult<String> {
    py.detach(KeyPair::generate).map(|key| key.serialize_pem()).map_err(refused)
}

/// Makes a certificate authority; returns the PEM of its certificate and of its key.
#[pyfunction]
pub fn make_authority(py: Python<'_>, common_name: &str) -> PyResult<Pair> {
    py.detach(|| {
        let key = KeyPair::generate()?;
        let certificate = authority(common_name).self_signed(&key)?;
        Ok((certificate.pem(), key.serialize_pem()))
    })
    .map_err(refused)
}

/// Makes a serving certificate for `names` (DNS names and IP addresses), signed by an authority that
/// `make_authority` made; returns the PEM of its certificate and of its key.
#[pyfunction]
pub fn make_serving_certificate(
    py: Python<'_>,
    common_name: &str,
    authority_key: &str,
    names: Vec<String>,
) -> PyResult<Pair> {
    let signer = key(authority_key)?;
    py.detach(|| {
        let issuer = Issuer::new(authority(common_name), signer);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "kcp");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, SERVING_YEARS);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    })
    .map_err(refused)
}

/// Tells whether a certificate holds for all of `names` and for at least half of its time more.
#[pyfunction]
pub fn certificate_covers(certificate: &[u8], names: Vec<String>) -> bool {
    covers(certificate, &names).unwrap_or(false)
}

fn covers(pem: &[u8], names: &[String]) -> Option<bool> {
    use rustls_pki_types::pem::PemObject;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let now = jiff::Timestamp::now().as_second();
    let held: Vec<String> = certificate
        .subject_alternative_name()
        .ok()??
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect();
    Some(from <= now && now < from.midpoint(until) && names.iter().all(|name| held.contains(name)))
}

fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(Into::into);
    let sixteen = <[u8; 16]>::try_from(bytes).map(Into::into);
    four.or(sixteen).ok()
}
