//! Work that takes long enough to be felt by whoever shares the thread.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` here while the runtime's other tasks go on elsewhere. Costs a change of threads: for work of a
/// millisecond and more. Outside a runtime of several threads it is a plain call.
pub fn off_worker<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::off_worker;

    #[test]
    fn it_is_a_plain_call_outside_a_runtime() {
        assert_eq!(off_worker(|| 1), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_run_while_it_blocks() {
        let (send, receive) = std::sync::mpsc::channel();
        tokio::spawn(async move { send.send(2) });
        // The only worker is here: the other task can run only because this one lets it.
        assert_eq!(tokio::spawn(async move { off_worker(|| receive.recv()) }).await.unwrap(), Ok(2));
    }
}
