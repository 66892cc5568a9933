//! Signed claims: ES256 and nothing else.

use super::tokens::{TokenHash, hash};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use quick_cache::sync::Cache;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// What a service-account token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Audiences.
    pub aud: Vec<String>,
    /// Expires, in seconds since 1970.
    pub exp: i64,
    /// Issued.
    pub iat: i64,
    /// Issuer.
    pub iss: String,
    /// The token's own id.
    pub jti: String,
    /// What Kubernetes and kcp add.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: KubernetesClaims,
    /// Not valid before.
    pub nbf: i64,
    /// User name.
    pub sub: String,
}

/// The claims that say which account of which logical cluster a token stands for, and what it is bound to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesClaims {
    /// The logical cluster.
    #[serde(rename = "clusterName")]
    pub cluster_name: String,
    /// The account's namespace.
    pub namespace: String,
    /// A node the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Reference>,
    /// A pod the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Reference>,
    /// A secret the token is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Reference>,
    /// The account.
    pub serviceaccount: Reference,
    /// When its holder should have asked for another one, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnafter: Option<i64>,
}

/// An object by name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: String,
}

/// Why a signing key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is no `PRIVATE KEY` block.
    #[error("no PEM block PRIVATE KEY (PKCS #8) was found")]
    Pem,
    /// The block does not hold such a key.
    #[error("the key is not an ECDSA key on the curve P-256 in PKCS #8 form with its public part")]
    Key,
    /// The machine gives no random numbers.
    #[error("no random numbers can be had")]
    Random,
}

/// A key that signs tokens and recognizes what it signed.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
    random: SystemRandom,
    /// Tokens whose signature was found good, by digest.
    verified: Cache<TokenHash, Arc<Claims>>,
}

/// Tokens whose signatures are remembered.
const VERIFIED: usize = 4096;
/// Longer tokens are nobody's.
const LONGEST: usize = 8192;

impl SigningKey {
    /// Reads a key from PEM.
    ///
    /// # Errors
    /// When it is not an ECDSA P-256 key in PKCS #8 form.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----").ok_or(KeyError::Pem)?;
        let (body, _) = rest.split_once("-----END PRIVATE KEY-----").ok_or(KeyError::Pem)?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| KeyError::Pem)?;
        let random = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random).map_err(|_| KeyError::Key)?;
        let id = key_id(pair.public_key().as_ref());
        Ok(Self { pair, id, random, verified: Cache::new(VERIFIED) })
    }

    /// Makes a new key and returns it as PEM.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn generate_pem() -> Result<String, KeyError> {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::Random)?;
        let body = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap_or_default()).collect();
        Ok(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
    }

    /// Signs claims.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub fn sign(&self, claims: &Claims) -> Result<String, KeyError> {
        let header = json!({"alg": "ES256", "kid": self.id});
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError::Key)?;
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&self.random, token.as_bytes()).map_err(|_| KeyError::Random)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature.as_ref()));
        Ok(token)
    }

    /// The claims of a token that this key signed. Only the signature is checked: times, audiences and what the claims
    /// name are the caller's to judge, each time.
    pub fn verify(&self, token: &str) -> Option<Arc<Claims>> {
        if token.len() > LONGEST {
            return None;
        }
        let digest = hash(token);
        if let Some(claims) = self.verified.get(&digest) {
            return Some(claims);
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        if header.alg != "ES256" || !(header.kid.is_empty() || header.kid == self.id) {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        let claims: Arc<Claims> = Arc::new(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?);
        self.verified.insert(digest, Arc::clone(&claims));
        Some(claims)
    }

    /// The public part as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        // An uncompressed point: a tag, then both coordinates.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.get(1..65).unwrap_or_default().split_at(32.min(point.len().saturating_sub(1)));
        json!({
            "use": "sig",
            "kty": "EC",
            "kid": self.id,
            "crv": "P-256",
            "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

/// The id Kubernetes gives a key: the digest of its public part in SPKI form.
fn key_id(point: &[u8]) -> String {
    /// DER in front of an uncompressed P-256 point: SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING }.
    const PREFIX: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    URL_SAFE_NO_PAD.encode(digest(&SHA256, &[&PREFIX, point].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims {
            aud: vec!["a".into()],
            exp: 2,
            iat: 1,
            iss: "i".into(),
            jti: "j".into(),
            kubernetes: KubernetesClaims::default(),
            nbf: 1,
            sub: "s".into(),
        }
    }

    #[test]
    fn a_key_recognizes_what_it_signed_and_nothing_else() {
        let key = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
        let token = key.sign(&claims()).unwrap();
        assert_eq!(*key.verify(&token).unwrap(), claims());
        assert_eq!(*key.verify(&token).unwrap(), claims());
        let other = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
        assert!(other.verify(&token).is_none(), "another key's");
        let parts: Vec<&str> = token.split('.').collect();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = format!("{}.{}.", encode(json!({"alg": "none"})), parts[1]);
        assert!(key.verify(&none).is_none(), "unsigned");
        for alg in ["none", "HS256", "RS256", "ES384", "es256"] {
            let forged = format!("{}.{}.{}", encode(json!({"alg": alg})), parts[1], parts[2]);
            assert!(key.verify(&forged).is_none(), "{alg}");
        }
        let mut wider = claims();
        wider.exp = i64::MAX;
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wider).unwrap());
        assert!(key.verify(&format!("{}.{body}.{}", parts[0], parts[2])).is_none(), "tampered");
        for text in
            ["", ".", "..", "a.b", "a.b.c.d", &token[..token.len() - 1], &format!("{token}A"), &format!("{token}.")]
        {
            assert!(key.verify(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_public_part_is_published() {
        let key = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
        let jwk = key.jwk();
        for field in ["x", "y"] {
            assert_eq!(URL_SAFE_NO_PAD.decode(jwk[field].as_str().unwrap()).unwrap().len(), 32);
        }
        assert_eq!(jwk["kid"].as_str().unwrap().len(), 43);
        assert!(jwk.get("d").is_none());
    }

    #[test]
    fn other_keys_are_refused() {
        assert_eq!(SigningKey::from_pem("x").err(), Some(KeyError::Pem));
        let pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert_eq!(SigningKey::from_pem(pem).err(), Some(KeyError::Key));
    }
}
