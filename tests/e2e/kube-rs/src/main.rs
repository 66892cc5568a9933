//! Two programs as users of kube-rs write them; each prints a line for everything it sees or does.
//!
//! `kcp-e2e-kube-rs watch list|stream` follows the config maps of the default namespace.
//! `kcp-e2e-kube-rs control` installs the definition of `Posse` and reconciles its objects until SIGTERM.
//! The server is the one of `KUBECONFIG`.

mod control;
mod posse;
mod watch;

use std::env;
use std::error::Error;

use kube::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["watch", "list"] => watch::run(Client::try_default().await?, false).await,
        ["watch", "stream"] => watch::run(Client::try_default().await?, true).await,
        ["control"] => control::run(Client::try_default().await?).await,
        _ => Err("usage: kcp-e2e-kube-rs watch list|stream, or control".into()),
    }
}
