"""Attacks on a server of their own, from outside: what must hold whatever a client sends."""
