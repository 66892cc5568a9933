//! What is to be decided, and what was.

use crate::exchange::{Exchange, UserInfo};
use kcp_apimachinery::gvk::GroupResource;
use kcp_apimachinery::status::Status;
use kcp_apimachinery::text;
use std::sync::Arc;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// The verb; for paths the lower-cased method.
    pub verb: &'a str,
    /// API group, empty for the core group.
    pub group: &'a str,
    /// Plural resource.
    pub resource: &'a str,
    /// Subresource, empty for the main one.
    pub subresource: &'a str,
    /// Namespace, empty for cluster scope.
    pub namespace: &'a str,
    /// Object name, empty for none.
    pub name: &'a str,
    /// The path, where it addresses no resource.
    pub path: &'a str,
    /// Whether a resource is addressed.
    pub is_resource: bool,
}

impl<'a> Attributes<'a> {
    /// A request for a path that is no resource.
    pub fn path(verb: &'a str, path: &'a str) -> Self {
        Self { verb, path, ..Self::default() }
    }

    /// What a request asks for.
    pub fn of(exchange: &'a Exchange) -> Self {
        let info = &exchange.info;
        if !info.is_resource {
            return Self::path(info.verb, &exchange.path);
        }
        Self {
            verb: info.verb,
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            namespace: &info.namespace,
            name: &info.name,
            path: "",
            is_resource: true,
        }
    }

    /// The 403 for `user`: Kubernetes' wording, with `reason` appended where there is one.
    pub fn forbidden(&self, user: &UserInfo, reason: &str) -> Status {
        let user = text::quote(&user.name);
        let verb = self.verb;
        let mut message = if self.is_resource {
            let resource = if self.subresource.is_empty() {
                text::quote(self.resource)
            } else {
                text::quote(&format!("{}/{}", self.resource, self.subresource))
            };
            let group = text::quote(self.group);
            let place = if self.namespace.is_empty() {
                "at the cluster scope".to_owned()
            } else {
                format!("in the namespace {}", text::quote(self.namespace))
            };
            format!("User {user} cannot {verb} resource {resource} in API group {group} {place}")
        } else {
            format!("User {user} cannot {verb} path {}", text::quote(self.path))
        };
        if !reason.is_empty() {
            message.push_str(": ");
            message.push_str(reason);
        }
        let resource = GroupResource { group: self.group.to_owned(), resource: self.resource.to_owned() };
        Status::forbidden(&resource, self.name, message)
    }
}

/// Whether it may be done, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// For an allowed request which binding allows it; for a denied one why roles could not be resolved, mostly empty.
    pub reason: Reason,
    /// The guard that decided, as explanations name it.
    pub step: &'static str,
}

/// Why, printed only where somebody asks: the hot path never formats it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// None to give.
    #[default]
    None,
    /// A fixed text.
    Text(&'static str),
    /// A text shared with the derived state.
    Shared(Arc<str>),
    /// The binding that allows.
    Binding(Arc<super::derived::Source>),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Shared(text) => f.write_str(text),
            Self::Binding(source) => write!(f, "RBAC: allowed by {source}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_worded_as_kubernetes_words_them() {
        let user = UserInfo { name: "ann".into(), ..UserInfo::default() };
        let pods = Attributes { verb: "get", resource: "pods", is_resource: true, ..Attributes::default() };
        let cases = [
            (
                Attributes { namespace: "n", name: "x", subresource: "log", ..pods },
                r#"pods "x" is forbidden: User "ann" cannot get resource "pods/log" in API group "" in the namespace "n""#,
            ),
            (
                Attributes { verb: "list", group: "apps", resource: "deployments", ..pods },
                r#"deployments.apps is forbidden: User "ann" cannot list resource "deployments" in API group "apps" at the cluster scope"#,
            ),
            (Attributes::path("get", "/metrics"), r#"forbidden: User "ann" cannot get path "/metrics""#),
        ];
        for (attributes, message) in cases {
            let status = attributes.forbidden(&user, "");
            assert_eq!((status.code, status.message.as_str()), (403, message));
            let status = attributes.forbidden(&user, "access denied");
            assert_eq!(status.message, format!("{message}: access denied"));
        }
    }
}
