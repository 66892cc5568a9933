//! Typed keys that sort as resource, logical cluster, namespace, name.
//!
//! A key is a tuple of four components, each ended by a zero byte, which no component may hold. Byte order of the
//! encoding is therefore tuple order, and a range over a resource, a cluster or a namespace is one contiguous scan.

use bytes::Bytes;
use std::fmt;

/// One object's address: resource (`configmaps`, `cowboys.example.com`), logical cluster, namespace (empty for
/// cluster-scoped objects), name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// Builds a key.
    ///
    /// # Panics
    /// When a component holds a zero byte: callers check names before they come here.
    pub fn new(resource: &str, cluster: &str, namespace: &str, name: &str) -> Self {
        let mut raw = Vec::with_capacity(resource.len() + cluster.len() + namespace.len() + name.len() + 4);
        for part in [resource, cluster, namespace, name] {
            push(&mut raw, part);
        }
        Self(Bytes::from(raw))
    }

    /// Reads a key back from its encoding; `None` when it is not four components of UTF-8.
    pub fn decode(raw: Bytes) -> Option<Self> {
        let zeros = raw.iter().filter(|byte| **byte == 0).count();
        let valid = zeros == 4 && raw.last() == Some(&0) && std::str::from_utf8(&raw).is_ok();
        valid.then_some(Self(raw))
    }

    /// The encoding, in which keys sort.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoding as a shared buffer.
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// The resource, `plural` or `plural.group`.
    pub fn resource(&self) -> &str {
        self.part(0)
    }

    /// The logical cluster's name.
    pub fn cluster(&self) -> &str {
        self.part(1)
    }

    /// The namespace, empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        self.part(2)
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        self.part(3)
    }

    fn part(&self, index: usize) -> &str {
        let part = self.0.split(|byte| *byte == 0).nth(index).unwrap_or_default();
        // Only `new` and `decode` build keys, and both start from UTF-8.
        std::str::from_utf8(part).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.resource(), self.cluster(), self.namespace(), self.name())
    }
}

/// A half-open range `[start, end)` of encoded keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// First encoding in the range.
    pub start: Bytes,
    /// First encoding after the range.
    pub end: Bytes,
    scope: Scope,
}

/// How a range was asked for; the watch hub files watchers under it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One resource in every logical cluster.
    Resource(String),
    /// One resource in one logical cluster.
    Cluster(String, String),
    /// One resource in one namespace of one logical cluster.
    Namespace(String, String, String),
    /// One object.
    Object(Key),
}

impl KeyRange {
    /// One resource in every logical cluster.
    pub fn resource(resource: &str) -> Self {
        Self::of(&[resource], Scope::Resource(resource.into()))
    }

    /// One resource in one logical cluster.
    pub fn cluster(resource: &str, cluster: &str) -> Self {
        Self::of(&[resource, cluster], Scope::Cluster(resource.into(), cluster.into()))
    }

    /// One resource in one namespace.
    pub fn namespace(resource: &str, cluster: &str, namespace: &str) -> Self {
        let scope = Scope::Namespace(resource.into(), cluster.into(), namespace.into());
        Self::of(&[resource, cluster, namespace], scope)
    }

    /// One object.
    pub fn object(key: &Key) -> Self {
        let parts = [key.resource(), key.cluster(), key.namespace(), key.name()];
        Self::of(&parts, Scope::Object(key.clone()))
    }

    /// How the range was asked for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &Key) -> bool {
        self.start.as_ref() <= key.as_bytes() && key.as_bytes() < self.end.as_ref()
    }

    fn of(parts: &[&str], scope: Scope) -> Self {
        let mut start = Vec::new();
        for part in parts {
            push(&mut start, part);
        }
        // The last byte is the terminator 0; everything that shares the prefix sorts below the prefix ended by 1.
        let mut end = start.clone();
        if let Some(last) = end.last_mut() {
            *last = 1;
        }
        Self { start: start.into(), end: end.into(), scope }
    }
}

fn push(raw: &mut Vec<u8>, part: &str) {
    assert!(!part.as_bytes().contains(&0), "a key component holds a zero byte");
    raw.extend_from_slice(part.as_bytes());
    raw.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_tuples_even_where_one_component_is_a_prefix_of_another() {
        let mut keys = [
            Key::new("configmaps", "a-b", "", "x"),
            Key::new("configmaps", "a", "ns", "x"),
            Key::new("configmaps", "a", "n", "z"),
            Key::new("configmaps.x", "a", "n", "z"),
        ];
        keys.sort();
        let order: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        assert_eq!(order, ["configmaps/a/n/z", "configmaps/a/ns/x", "configmaps/a-b//x", "configmaps.x/a/n/z"]);
    }

    #[test]
    fn a_range_holds_its_own_scope_only() {
        let key = Key::new("configmaps", "a", "n", "x");
        assert!(KeyRange::resource("configmaps").contains(&key));
        assert!(KeyRange::cluster("configmaps", "a").contains(&key));
        assert!(KeyRange::namespace("configmaps", "a", "n").contains(&key));
        assert!(KeyRange::object(&key).contains(&key));
        assert!(!KeyRange::cluster("configmaps", "a").contains(&Key::new("configmaps", "a-b", "n", "x")));
        assert!(!KeyRange::namespace("configmaps", "a", "").contains(&key));
        assert_eq!(Key::decode(key.to_bytes()), Some(key));
    }
}
