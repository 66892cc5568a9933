"""kcp as a whole, used through clients that are not ours."""
