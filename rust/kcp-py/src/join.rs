//! The queue from the runtime's threads to Python's event loop, and its wake-up.
//!
//! Rust threads never run Python. They push events; the one that finds the loop asleep writes a byte to a socket pair,
//! whose other end the loop waits for. Under load the loop is awake and no byte is written: a batch of events costs
//! one lock on each side.
//!
//! Two directions of byte streams hang on it, each bounded: [`Inflow`] (a body that Python reads) and [`Outflow`] (a
//! body that Python writes). Each has its own "wanted" flag: an application keeps a read parked while it writes, and a
//! shared flag would lose the writer's wake-up.

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use kcp_apiserver::BodyError;
use kcp_storage::Key;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Pieces of a body under way in one direction.
const PIECES: usize = 4;

/// What Python is told.
pub enum Event {
    /// A write waits for a decision: an id, which decision, and the question as JSON.
    Hook(u64, &'static str, Bytes),
    /// A request for the application.
    Request(Box<Request>),
    /// A body that was read empty has more, or has ended.
    Readable(u64),
    /// A body that was full takes more.
    Writable(u64),
    /// The client of a bridged request has gone.
    Gone(u64),
    /// A call from within the process was answered.
    Answered(u64, Box<Answer>),
    /// The keys that were asked for.
    Keys(u64, Result<Vec<Key>, String>),
    /// A kind of unfinished work has new keys.
    Work(Arc<str>),
}

/// A request as the application sees it.
pub struct Request {
    /// Names it in later calls.
    pub id: u64,
    pub method: String,
    /// Percent-encoded, without the logical cluster's prefix.
    pub path: String,
    pub query: String,
    pub version: &'static str,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Empty for none, `*` for all.
    pub cluster: String,
    pub user: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: Vec<(String, Vec<String>)>,
    pub client: Option<(String, u16)>,
    /// The whole body, or `None` when it has to be read.
    pub body: Option<Bytes>,
}

/// The answer to a call from within the process.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// The whole body, or `None` when it has to be read.
    pub body: Option<Bytes>,
}

/// The queue.
pub struct Join {
    queue: Mutex<VecDeque<Event>>,
    /// True from the moment Python found the queue empty until someone decided to wake it.
    asleep: AtomicBool,
    wake: UnixStream,
    woken: UnixStream,
    ids: AtomicU64,
}

impl Join {
    pub fn new() -> io::Result<Arc<Self>> {
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        Ok(Arc::new(Self {
            queue: Mutex::default(),
            asleep: AtomicBool::new(true),
            wake,
            woken,
            ids: AtomicU64::new(1),
        }))
    }

    /// A number that no other request or call of this server has.
    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// What Python waits on for readability.
    pub fn descriptor(&self) -> RawFd {
        self.woken.as_raw_fd()
    }

    pub fn push(&self, event: Event) {
        self.queue.lock().push_back(event);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // It can only fail when bytes are already waiting there, and then the loop wakes anyhow.
            let _ = (&self.wake).write(&[1]);
        }
    }

    /// Takes up to `limit` events; empty means that the next one will make the descriptor readable.
    pub fn drain(&self, limit: usize) -> Vec<Event> {
        let taken = self.take(limit);
        if !taken.is_empty() {
            return taken;
        }
        let mut buffer = [0; 64];
        while matches!((&self.woken).read(&mut buffer), Ok(read) if read == buffer.len()) {}
        self.asleep.store(true, Ordering::SeqCst);
        // Whoever pushed before the flag was set wrote no byte, so the queue has to be looked at once more.
        let taken = self.take(limit);
        if !taken.is_empty() {
            self.asleep.store(false, Ordering::SeqCst);
        }
        taken
    }

    pub fn waiting(&self) -> usize {
        self.queue.lock().len()
    }

    fn take(&self, limit: usize) -> Vec<Event> {
        let mut queue = self.queue.lock();
        let count = limit.min(queue.len());
        queue.drain(..count).collect()
    }
}

/// What reading found.
pub enum Read {
    Data(Bytes),
    End,
    /// The other side broke off.
    Broken,
    /// Nothing yet: [`Event::Readable`] will tell.
    Wait,
}

type Piece = Result<Bytes, ()>;

/// A body that Python reads.
pub struct Inflow {
    pieces: Mutex<mpsc::Receiver<Piece>>,
    wanted: AtomicBool,
}

impl Inflow {
    /// The reading end, and the writing end for [`Inflow::pump`].
    pub fn new() -> (Self, mpsc::Sender<Piece>) {
        let (sender, pieces) = mpsc::channel(PIECES);
        (Self { pieces: Mutex::new(pieces), wanted: AtomicBool::new(false) }, sender)
    }

    pub fn read(&self) -> Read {
        let mut pieces = self.pieces.lock();
        for last_look in [false, true] {
            match pieces.try_recv() {
                Ok(Ok(data)) => return Read::Data(data),
                Ok(Err(())) => return Read::Broken,
                Err(mpsc::error::TryRecvError::Disconnected) => return Read::End,
                // A piece that comes between the first look and the flag is found by the second look.
                Err(mpsc::error::TryRecvError::Empty) if !last_look => self.wanted.store(true, Ordering::SeqCst),
                Err(mpsc::error::TryRecvError::Empty) => {}
            }
        }
        Read::Wait
    }

    /// Moves a body into the channel and tells Python when it waits. Holds the body until the reader has gone: an
    /// HTTP/2 request body dropped too early would reset the stream and take the answer with it.
    pub async fn pump<B>(&self, mut body: B, sender: mpsc::Sender<Piece>, join: &Join, id: u64)
    where
        B: Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        let tell = || {
            if self.wanted.swap(false, Ordering::SeqCst) {
                join.push(Event::Readable(id));
            }
        };
        while let Some(frame) = body.frame().await {
            let piece = match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) if !data.is_empty() => Ok(data),
                Ok(_) => continue,
                Err(_) => Err(()),
            };
            if sender.send(piece).await.is_err() {
                return;
            }
            tell();
        }
        drop(sender);
        tell();
    }
}

/// Why a piece was not taken.
pub enum WriteError {
    /// [`Event::Writable`] will tell when it is taken.
    Full,
    /// The client has gone.
    Gone,
}

/// A body that Python writes.
pub struct Outflow {
    pieces: Mutex<Option<mpsc::Sender<Bytes>>>,
    wanted: AtomicBool,
    broken: AtomicBool,
}

impl Outflow {
    /// An end that is not connected yet.
    pub const fn new() -> Self {
        Self { pieces: Mutex::new(None), wanted: AtomicBool::new(false), broken: AtomicBool::new(false) }
    }

    /// Opens the stream; its reader has to call [`Outflow::taken`] after each piece.
    pub fn open(&self) -> mpsc::Receiver<Bytes> {
        let (sender, pieces) = mpsc::channel(PIECES);
        *self.pieces.lock() = Some(sender);
        pieces
    }

    /// Hands over a piece; it is copied only when there is room for it.
    pub fn write(&self, data: &[u8]) -> Result<(), WriteError> {
        let pieces = self.pieces.lock();
        let Some(sender) = pieces.as_ref() else { return Err(WriteError::Gone) };
        for last_look in [false, true] {
            match sender.try_reserve() {
                Ok(room) => {
                    room.send(Bytes::copy_from_slice(data));
                    return Ok(());
                }
                Err(mpsc::error::TrySendError::Closed(())) => return Err(WriteError::Gone),
                Err(mpsc::error::TrySendError::Full(())) if !last_look => self.wanted.store(true, Ordering::SeqCst),
                Err(mpsc::error::TrySendError::Full(())) => {}
            }
        }
        Err(WriteError::Full)
    }

    /// The reader took a piece.
    pub fn taken(&self, join: &Join, id: u64) {
        if self.wanted.swap(false, Ordering::SeqCst) {
            join.push(Event::Writable(id));
        }
    }

    /// Ends the body; `broken` tells the client that it is incomplete.
    pub fn end(&self, broken: bool) {
        // Set before the sender goes: whoever finds the channel closed looks at it.
        self.broken.store(broken, Ordering::SeqCst);
        self.pieces.lock().take();
    }

    /// Whether the body ended before it was complete.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
}
