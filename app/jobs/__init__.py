"""Long work as jobs (IVOA UWS 1.1): their database, their files, and the processes that carry them out.

A job is a table that is predicted in parts. Each part is written to a file and then entered in the database, in one
transaction with the progress; so whatever ends a process, the next one goes on behind the last part. Whoever works on a
job holds a lease with a token: what an earlier holder still writes is refused.
"""
