"""How a function is served in the image; `functions-framework` alone serves it on a developer's machine."""

import os

bind = f"0.0.0.0:{os.environ.get('PORT', '8080')}"

# One process: a pod is small, and Knative starts more pods rather than a pod more processes. Knative lets 8 requests in
# (containerConcurrency); the two threads above that answer probes while all eight wait for a gateway.
workers = 1
worker_class = "gthread"
threads = int(os.environ.get("GUNICORN_THREADS", "10"))

# Longer than the 90 s for which Knative's queue-proxy keeps an idle connection: the side that may send on a connection must
# be the one that closes it, or a request meets a closed one and becomes a stray 502.
keepalive = 95

# Of the worker, not of a request: it says so much as "alive" from its main loop. Heartbeats in memory, since a disk that
# stalls would have a healthy worker killed.
timeout = 30
worker_tmp_dir = "/dev/shm"

# SIGTERM: requests that run have as long as the slowest takes.
graceful_timeout = 55

# Needs a writable home; the root file system is read-only.
control_socket_disable = True

# The functions write a line for each request themselves.
accesslog = None
errorlog = "-"
loglevel = "warning"
