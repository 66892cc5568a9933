//! kcp-storage.
