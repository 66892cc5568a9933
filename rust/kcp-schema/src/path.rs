//! Field paths kept on the stack and rendered only when an error is reported.

use std::fmt;

/// One step of a path, linked to the step before it.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    /// The object itself.
    Root,
    /// A named field.
    Child(&'a At<'a>, &'a str),
    /// An element of a list.
    Index(&'a At<'a>, usize),
    /// An entry of a map.
    Key(&'a At<'a>, &'a str),
}

impl<'a> At<'a> {
    pub(crate) fn child(&'a self, name: &'a str) -> At<'a> {
        At::Child(self, name)
    }

    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        At::Index(self, index)
    }

    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        At::Key(self, key)
    }

    fn is_root(&self) -> bool {
        matches!(self, At::Root)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Root => Ok(()),
            At::Child(parent, name) if parent.is_root() => f.write_str(name),
            At::Child(parent, name) => write!(f, "{parent}.{name}"),
            At::Index(parent, index) => write!(f, "{parent}[{index}]"),
            At::Key(parent, key) => write!(f, "{parent}[{key}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_kube_writes_it() {
        let spec = At::Root.child("spec");
        let versions = spec.child("versions");
        let version = versions.index(1);
        let properties = version.child("properties");
        assert_eq!(properties.key("a.b").to_string(), "spec.versions[1].properties[a.b]");
        assert_eq!(At::Root.to_string(), "");
    }
}
