"""HTTP/1.1 on a connection: the framing of requests, their answers, and the time limits."""
