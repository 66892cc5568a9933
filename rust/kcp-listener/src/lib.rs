//! kcp-listener.
