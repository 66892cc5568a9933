//! What only the operating system's C interface offers. The crate's one place with unsafe code.
#![allow(unsafe_code)] // two libc calls, each with its reason why it is sound

/// Raises the soft limit of open files to the hard one and returns it; every HTTP/1.1 watch holds a file.
///
/// # Errors
/// The operating system's, where the limit cannot be read or set.
pub fn raise_open_files() -> std::io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid, exclusively borrowed rlimit for the length of the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is a valid rlimit that the call only reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(limit.rlim_cur)
}

/// Gives freed memory back to the operating system, which glibc does not do by itself after many small frees.
/// Takes milliseconds: call it off the runtime's workers.
pub fn trim_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes no pointer and is safe to call from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
