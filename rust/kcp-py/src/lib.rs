//! kcp-py.
