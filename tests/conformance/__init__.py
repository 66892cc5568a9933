"""Our answers beside those of a real kube-apiserver: recorded once, compared on every run."""
