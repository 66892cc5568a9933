//! What served resources look like from outside, as a digest: who sees equal things shares what is derived from them.

use ring::digest;

/// Names what a set of custom resources looks like. Logical clusters with equal definitions have equal ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 32]);

impl Identity {
    /// No custom resources.
    pub const NONE: Self = Self([0; 32]);

    /// The identity of some parts, in order; [`Identity::NONE`] for none at all.
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut any = false;
        for part in parts {
            any = true;
            // Lengths keep neighbours apart.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut identity = [0; 32];
        if any {
            identity.copy_from_slice(context.finish().as_ref());
        }
        Self(identity)
    }

    /// Of a definition: the identity of one of its versions.
    pub fn of_version(&self, version: &str) -> Self {
        Self::of([self.as_bytes(), version.as_bytes()])
    }

    /// The identity as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Identity;

    #[test]
    fn neighbours_are_kept_apart() {
        let of = |parts: &[&str]| Identity::of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
        assert_eq!(of(&[]), Identity::NONE);
    }
}
