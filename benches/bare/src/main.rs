//! The data path without Python: listener, API server and store in one small program, for profiles.
//!
//! `kcp-bare DIR` keeps its store in `DIR/store`, writes the certificate to trust to `DIR/ca.pem`, accepts the tokens
//! of `DIR/tokens.csv` and prints its address. It ends with SIGTERM or SIGINT.

use kcp_apiserver::authn::parse_token_file;
use kcp_apiserver::authn::{Authentication, Settings as Credentials};
use kcp_apiserver::authz::bootstrap::Bootstrap;
use kcp_apiserver::clock::SystemClock;
use kcp_apiserver::registry::BuiltIns;
use kcp_apiserver::{ApiServer, Config};
use kcp_listener::{Limits, Listener, Settings, Tls};
use kcp_storage::Backend;
use kcp_storage::embedded::{Embedded, Options};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

const BUILT_INS: &[u8] = include_bytes!("../../../python/kcp/resources/built_in.json");
const ROLES: &[u8] = include_bytes!("../../../python/kcp/resources/bootstrap_rbac.json");

async fn run(directory: &Path) -> Result<(), Box<dyn Error>> {
    let store: Arc<dyn Backend> = Arc::new(Embedded::open(&directory.join("store"), Options::default())?);
    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    let pem = certificate.cert.pem();
    std::fs::write(directory.join("ca.pem"), &pem)?;
    let tokens = parse_token_file(&std::fs::read_to_string(directory.join("tokens.csv"))?)?;
    let credentials = Credentials { tokens, anonymous: true, ..Credentials::default() };
    let socket = kcp_listener::bind("127.0.0.1:0".parse()?)?;
    let address = socket.local_addr()?;
    let api = ApiServer::new(Config {
        store: Arc::clone(&store),
        clock: Arc::new(SystemClock),
        built_ins: BuiltIns::parse(BUILT_INS)?,
        authentication: Authentication::new(credentials)?,
        bridge: None,
        hooks: None,
        external_address: address.to_string(),
        virtual_workspace_url: String::new(),
        root_ca: pem.clone(),
        event_ttl: kcp_apiserver::expiry::DEFAULT_EVENT_TTL,
        total_object_limit: 0,
    })?;
    api.prepare(&Bootstrap::parse(ROLES)?).await?;
    let tls = Tls::new(pem.as_bytes(), certificate.signing_key.serialize_pem().as_bytes(), None)?;
    let listener = Listener::open(Settings { socket, tls, limits: Limits::default() }, api)?;
    println!("https://{address}");
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    store.end_watches();
    listener.drain(Duration::from_secs(2)).await;
    store.close().await;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: kcp-bare DIR")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(Path::new(&directory)))
}
