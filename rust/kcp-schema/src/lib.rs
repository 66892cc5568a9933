//! kcp-schema.
