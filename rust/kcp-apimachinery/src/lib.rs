//! kcp-apimachinery.
