"""Requests and replies: schemas, strict decoders of JSON, npy and Arrow, uploads, answers."""
