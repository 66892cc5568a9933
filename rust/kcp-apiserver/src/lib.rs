//! One request from `http::Request` to a response or stream: chain, verbs, registry, storage. No sockets, no Python.

pub mod authn;
pub mod authz;
pub mod birth;
pub mod body;
pub mod chain;
pub mod clock;
pub mod cluster;
pub mod clusters;
pub mod codec;
pub mod control;
pub mod discovery;
pub mod documents;
pub mod exchange;
pub mod expiry;
pub mod garbage;
pub mod health;
pub mod metrics;
pub mod mounts;
pub mod native;
pub mod negotiate;
pub mod openapi;
pub mod paths;
pub mod protobuf;
pub mod registry;
pub mod request_info;
pub mod respond;
pub mod reviews;
pub mod server;
pub mod strategy;
pub mod subresources;
pub mod typed;
pub mod verbs;
pub mod version;

pub use body::{Body, BodyError, RequestBody};
pub use exchange::{Cluster, Exchange, Peer, RequestInfo, Response, UserInfo};
pub use server::{ApiServer, Config};
