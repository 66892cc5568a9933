//! `GET /version`: which Kubernetes this server behaves like, and which kcp it is.

use crate::exchange::{Exchange, Response};
use crate::negotiate;
use crate::respond;
use crate::server::ApiServer;
use http::StatusCode;
use kcp_apimachinery::status::Status;
use serde::Serialize;

/// The Kubernetes release whose behaviour is followed.
const KUBERNETES: (&str, &str, &str) = ("1", "37", "2");

/// What version this is. The fields stand in the order clients are used to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    major: &'static str,
    minor: &'static str,
    emulation_major: &'static str,
    emulation_minor: &'static str,
    min_compatibility_major: &'static str,
    min_compatibility_minor: &'static str,
    git_version: String,
    git_commit: &'static str,
    git_tree_state: &'static str,
    build_date: &'static str,
    go_version: String,
    compiler: &'static str,
    platform: String,
}

/// The version as clients parse it: the Kubernetes release, and kcp's own as build metadata.
pub fn git_version() -> String {
    let (major, minor, patch) = KUBERNETES;
    format!("v{major}.{minor}.{patch}+kcp-v{}", env!("CARGO_PKG_VERSION"))
}

/// Answers `GET /version`.
pub fn serve(_server: &ApiServer, exchange: &Exchange, _parts: &[String]) -> Result<Response, Status> {
    if !negotiate::takes_json(exchange.headers()) {
        return Err(negotiate::no_representation(&["application/json"]));
    }
    let (major, minor, _) = KUBERNETES;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let info = Info {
        major,
        minor,
        emulation_major: major,
        emulation_minor: minor,
        min_compatibility_major: major,
        min_compatibility_minor: "36",
        git_version: git_version(),
        git_commit: option_env!("KCP_GIT_COMMIT").unwrap_or_default(),
        git_tree_state: "",
        // Builds are reproducible: they carry no time.
        build_date: "1970-01-01T00:00:00Z",
        go_version: format!("rust{}", env!("CARGO_PKG_RUST_VERSION")),
        compiler: "rustc",
        platform: format!("{}/{architecture}", std::env::consts::OS),
    };
    let body = serde_json::to_vec_pretty(&info).map_err(Status::internal)?;
    Ok(respond::full(StatusCode::OK, "application/json", body))
}
