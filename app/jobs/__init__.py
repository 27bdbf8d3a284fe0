"""Jobs for large tables (IVOA UWS 1.1): their database, their files, and the worker processes.

A job is a table that is predicted in parts. Each part is written to a file and then entered in the database, in one
transaction with the progress, so that after an interruption the next process continues after the last part. A process
that works on a job holds a lease with a token; writes of an earlier holder are refused.
"""
