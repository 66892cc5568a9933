//! Group commit in front of the rivals: one thread takes all writes that wait, one sync acknowledges them.

use bytes::Bytes;
use kcp_storage::Key;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Writes of a group.
pub type Objects = Vec<(Key, Bytes)>;

#[derive(Default)]
struct State {
    waiting: Vec<(Objects, oneshot::Sender<()>)>,
    closed: bool,
}

pub struct Committer {
    queue: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// `commit` makes a group durable.
    pub fn start(mut commit: impl FnMut(Objects) + Send + 'static) -> Self {
        let queue: Arc<(Mutex<State>, Condvar)> = Arc::default();
        let shared = queue.clone();
        let thread = std::thread::spawn(move || {
            loop {
                let group = {
                    let mut state = shared.0.lock();
                    while state.waiting.is_empty() {
                        if state.closed {
                            return;
                        }
                        shared.1.wait(&mut state);
                    }
                    std::mem::take(&mut state.waiting)
                };
                let (objects, replies): (Vec<_>, Vec<_>) = group.into_iter().unzip();
                commit(objects.into_iter().flatten().collect());
                for reply in replies {
                    let _ = reply.send(());
                }
            }
        });
        Self { queue, thread: Some(thread) }
    }

    pub async fn write(&self, objects: Objects) {
        let (reply, answer) = oneshot::channel();
        self.queue.0.lock().waiting.push((objects, reply));
        self.queue.1.notify_one();
        answer.await.expect("the committer lives");
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.queue.0.lock().closed = true;
        self.queue.1.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
