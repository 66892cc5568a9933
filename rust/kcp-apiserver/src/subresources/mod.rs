//! Subresources with a behaviour of their own: scale, token, finalize.
