//! The accept loop and its end.

use crate::connection::{Shared, serve};
use crate::{Handler, Settings, os};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

/// How long accepting pauses when the process has no file or memory left for another connection.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);
/// How often it is looked at whether memory of closed connections should go back to the operating system…
const TRIM_EVERY: Duration = Duration::from_secs(10);
/// …and how many connections have to have closed for that.
const TRIM_AFTER: usize = 256;
/// How long a silent peer may take until the operating system asks whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How long bytes may stay unacknowledged, or a peer's window closed, until the operating system gives the connection
/// up. Longer than a few unanswered keep-alive probes, which it also bounds.
const UNACKNOWLEDGED: Duration = Duration::from_secs(120);

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the end of the time given, and were cut.
    pub cut: usize,
}

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Takes an address and listens on it; port 0 picks a free one.
///
/// # Errors
/// The address is taken, forbidden, or not this machine's.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait until the connections of the run before have left the kernel's tables.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// A listening socket with its connections, served on the runtime it was opened on.
pub struct Listener {
    address: SocketAddr,
    drain: watch::Sender<Option<Duration>>,
    connections: watch::Receiver<usize>,
    task: JoinHandle<Drained>,
}

impl Listener {
    /// Serves until [`Listener::drain`] or drop. Has to be called on a runtime.
    ///
    /// # Errors
    /// The operating system's, when the socket is no listening one.
    pub fn open<H: Handler>(settings: Settings, handler: Arc<H>) -> io::Result<Self> {
        let socket = TcpListener::from_std(settings.socket)?;
        let address = socket.local_addr()?;
        let (drain, ordered) = watch::channel(None);
        let (count, connections) = watch::channel(0);
        let (begin_drain, draining) = watch::channel(false);
        let shared = Arc::new(Shared { handler, tls: settings.tls, limits: settings.limits, draining });
        let task = tokio::spawn(run(shared, socket, ordered, begin_drain, count));
        Ok(Self { address, drain, connections, task })
    }

    /// The address listened on, with the port that was picked for port 0.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Stops accepting, tells every connection and the handler to end, and returns when all have ended or `limit`
    /// is over; what is left then is cut.
    pub async fn drain(self, limit: Duration) -> Drained {
        // The loop holds the receiver until it returns, so the send cannot fail before it has ended by itself.
        let _ = self.drain.send(Some(limit));
        self.task.await.unwrap_or(Drained { cut: 0 })
    }
}

async fn run<H: Handler>(
    shared: Arc<Shared<H>>,
    socket: TcpListener,
    mut ordered: watch::Receiver<Option<Duration>>,
    begin_drain: watch::Sender<bool>,
    count: watch::Sender<usize>,
) -> Drained {
    let mut open = JoinSet::new();
    let mut closed = 0;
    let mut trim = tokio::time::interval_at(Instant::now() + TRIM_EVERY, TRIM_EVERY);
    trim.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let limit = loop {
        tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, address)) => {
                    keep_alive(&stream);
                    open.spawn(serve(Arc::clone(&shared), stream, address));
                    count.send_replace(open.len());
                }
                Err(error) => pause(&error).await,
            },
            Some(_) = open.join_next() => {
                closed += 1;
                count.send_replace(open.len());
            }
            _ = trim.tick() => {
                if closed >= TRIM_AFTER {
                    closed = 0;
                    tokio::task::spawn_blocking(os::trim_memory);
                }
            }
            order = limit_ordered(&mut ordered) => break order,
        }
    };
    drop(socket);
    begin_drain.send_replace(true);
    shared.handler.drain();
    let ended = tokio::time::timeout(limit, async {
        while open.join_next().await.is_some() {
            count.send_replace(open.len());
        }
    });
    let cut = if ended.await.is_ok() { 0 } else { open.len() };
    open.shutdown().await;
    count.send_replace(0);
    Drained { cut }
}

/// Waits for the order to drain. A listener that is dropped without one gives its connections no time.
async fn limit_ordered(ordered: &mut watch::Receiver<Option<Duration>>) -> Duration {
    ordered.wait_for(Option::is_some).await.map_or(Duration::ZERO, |limit| limit.unwrap_or_default())
}

/// A peer whose machine vanished sends nothing for ever; the operating system finds out.
fn keep_alive(stream: &TcpStream) {
    let times = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4);
    // A failure is the peer's having gone already.
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_keepalive(&times);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
}

async fn pause(error: &io::Error) {
    // Everything else concerns the one connection that was about to be accepted.
    if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)) {
        tracing::warn!(%error, "no connection can be accepted");
        tokio::time::sleep(OUT_OF_FILES_PAUSE).await;
    }
}
