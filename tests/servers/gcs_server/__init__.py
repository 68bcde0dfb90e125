"""Google Cloud Storage as its public documents describe it, for tests; objects are kept in memory.

The JSON and the XML API, the token endpoint, IAM's signBlob and the metadata server, at one address. It is strict where
the service is: it verifies JWTs, tokens, V4 signatures and policies, checksums, preconditions and customer keys. It is
no proof of what Google really answers; :mod:`tests.servers.gcs_server` was written from the documents, and is itself
tested with the clients that Google and others wrote.
"""
