//! kcp-apiserver.
