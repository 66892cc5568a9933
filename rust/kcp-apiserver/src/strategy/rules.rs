//! What a kind that the program brings by a definition means beyond what the definition says.

use super::tenancy;
use super::{Admission, Departure, Part, Removal, Strategy};
use crate::exchange::{Exchange, UserInfo};
use crate::server::ApiServer;
use bytes::Bytes;
use kcp_apimachinery::{Status, names};
use kcp_storage::{BoxFuture, Key};
use serde_json::Value;

/// A write that is to be admitted.
pub struct Write<'a> {
    /// The kind's strategy, which encodes its objects.
    pub strategy: &'a dyn Strategy,
    /// The object as it is to be stored; may still be changed.
    pub new: &'a mut Value,
    /// What stands there; `None` for a create.
    pub old: Option<&'a Value>,
    /// Which part the write touches.
    pub part: Part,
}

/// The rules of a kind. Everything not said here is as for any custom resource.
pub trait Rules: Send + Sync + 'static {
    /// See [`Strategy::name_problems`].
    fn name_problems(&self, name: &str) -> Vec<String> {
        names::is_dns1123_subdomain(name)
    }

    /// See [`Strategy::admit`].
    fn admit<'a>(
        &'a self,
        server: &'a ApiServer,
        exchange: &'a Exchange,
        write: Write<'a>,
    ) -> BoxFuture<'a, Result<Admission, Status>>;

    /// See [`Strategy::check_removal`].
    fn check_removal(&self, cluster: &str, caller: &UserInfo, object: &Value) -> Result<(), Status> {
        let _ = (cluster, caller, object);
        Ok(())
    }

    /// See [`Strategy::begin_removal`].
    fn begin_removal(&self, object: &mut Value) -> Removal {
        let _ = object;
        Removal::Now
    }

    /// See [`Strategy::depart`].
    fn depart<'a>(&'a self, server: &'a ApiServer, key: &'a Key) -> BoxFuture<'a, Result<Departure, Status>> {
        let _ = (server, key);
        Box::pin(std::future::ready(Ok(Departure::default())))
    }

    /// See [`Strategy::work`].
    fn work(&self, object: &Value) -> Vec<&'static str> {
        let _ = object;
        Vec::new()
    }

    /// See [`Strategy::terms`].
    fn terms(&self, object: &Value) -> Vec<Bytes> {
        let _ = object;
        Vec::new()
    }
}

/// The rules of a definition that the program brings.
pub fn of(definition: &str) -> &'static dyn Rules {
    tenancy::rules(definition).unwrap_or(&Plain)
}

/// No rules.
struct Plain;

impl Rules for Plain {
    fn admit<'a>(
        &'a self,
        _: &'a ApiServer,
        _: &'a Exchange,
        _: Write<'a>,
    ) -> BoxFuture<'a, Result<Admission, Status>> {
        Box::pin(std::future::ready(Ok(Admission::default())))
    }
}
