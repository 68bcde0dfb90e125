"""Alibaba Cloud OSS as its public API documents describe it, in memory: signatures, headers, XML and error codes.

https://www.alibabacloud.com/help/en/oss/developer-reference/list-of-operations-by-function. The official SDKs are run
against every handler (``tests/servers/test_oss_server.py``). It is no proof of the service itself.
"""
