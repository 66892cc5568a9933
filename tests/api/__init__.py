"""The API as HTTP clients meet it, over a socket."""
