//! Client certificates. The listener has checked the signature against the client CA; what is left is who the subject
//! is and whether the certificate is good for this, now.

use super::Refused;
use crate::authz::AUTHENTICATED;
use crate::exchange::UserInfo;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The attribute of a subject that carries the user's uid.
const UID: &str = "1.3.6.1.4.1.57683.2";

/// What a certificate says. Kept per certificate; times are compared at each request.
#[derive(Clone)]
pub(super) struct Known {
    not_before: i64,
    not_after: i64,
    for_clients: bool,
    /// `None` when the subject has no common name.
    user: Option<Arc<UserInfo>>,
}

impl Known {
    /// Reads a certificate.
    pub(super) fn parse(der: &[u8]) -> Result<Self, Refused> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Refused("the certificate cannot be read"))?;
        let usage = certificate.extended_key_usage().map_err(|_| Refused("the certificate's usages cannot be read"))?;
        let validity = certificate.validity();
        Ok(Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            for_clients: usage.is_none_or(|usage| usage.value.client_auth || usage.value.any),
            user: subject(&certificate, der),
        })
    }

    /// The user, or `None` when the certificate names nobody.
    pub(super) fn user(&self, now: Timestamp) -> Result<Option<Arc<UserInfo>>, Refused> {
        if now.as_second() < self.not_before {
            return Err(Refused("the certificate is not valid yet"));
        }
        if now.as_second() > self.not_after {
            return Err(Refused("the certificate has expired"));
        }
        if !self.for_clients {
            return Err(Refused("the certificate is not for clients"));
        }
        Ok(self.user.clone())
    }
}

fn subject(certificate: &X509Certificate<'_>, der: &[u8]) -> Option<Arc<UserInfo>> {
    let subject = certificate.subject();
    // Where there are several common names the last one counts, as in Go.
    let name = subject.iter_common_name().last()?.as_str().ok().filter(|name| !name.is_empty())?;
    let mut groups: Vec<String> =
        subject.iter_organization().filter_map(|value| value.as_str().ok()).map(str::to_owned).collect();
    if !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    let mut uids = subject.iter_attributes().filter(|attribute| attribute.attr_type().to_id_string() == UID);
    let uid = match (uids.next(), uids.next()) {
        (Some(only), None) => only.as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let mut credential = String::from("X509SHA256=");
    for byte in digest(&SHA256, der).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(credential, "{byte:02x}");
    }
    let extra = BTreeMap::from([(super::CREDENTIAL_ID.to_owned(), vec![credential])]);
    Some(Arc::new(UserInfo { name: name.to_owned(), uid, groups, extra }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

    fn certificate(name: Option<&str>, usage: ExtendedKeyUsagePurpose) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.distinguished_name.push(DnType::OrganizationName, "developers");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 2, 1);
        params.extended_key_usages = vec![usage];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn a_subject_is_a_user_while_the_certificate_is_good() {
        let within: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
        let good = Known::parse(&certificate(Some("ann"), ExtendedKeyUsagePurpose::ClientAuth)).unwrap();
        let user = good.user(within).unwrap().unwrap();
        assert_eq!(
            (user.name.as_str(), user.groups.as_slice()),
            ("ann", &["developers".into(), AUTHENTICATED.into()][..])
        );
        assert!(user.extra[super::super::CREDENTIAL_ID][0].starts_with("X509SHA256="));
        assert!(good.user("2025-12-31T23:59:59Z".parse().unwrap()).is_err());
        assert!(good.user("2026-02-01T00:00:01Z".parse().unwrap()).is_err());
        let server = Known::parse(&certificate(Some("ann"), ExtendedKeyUsagePurpose::ServerAuth)).unwrap();
        assert!(server.user(within).is_err());
        let nobody = Known::parse(&certificate(None, ExtendedKeyUsagePurpose::ClientAuth)).unwrap();
        assert!(nobody.user(within).unwrap().is_none());
        assert!(Known::parse(b"nonsense").is_err());
    }
}
