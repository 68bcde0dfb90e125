"""nginx: files over HTTP with ranges, ETags and indexes, WebDAV, odd answers, and TLS in front of another server."""

from __future__ import annotations

import getpass
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from tests.servers import tls
from tests.servers.server import Endpoint, Server, free_ports

DAV_MODULE = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so"
USER, PASSWORD, TOKEN = "reader", "readerpass", "sesame"
SAID = "$http_authorization|$http_cookie|$http_x_private|$args|$http_x_option"
"""What ``/said`` shows of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NginxEndpoint(Endpoint):
    """Files placed in ``root`` appear under ``url``, and under ``https_url`` unless an upstream stands behind it."""

    url: str
    https_url: str
    ca_bundle: str
    dav_url: str
    root: str
    dav_root: str
    user: str
    password: str


class Nginx(Server[NginxEndpoint]):
    """One nginx; given ``upstream``, an ``http://host:port`` URL, its TLS side forwards there."""

    name = "nginx"
    covers = "HTTP and TLS against nginx"
    endpoint_type = NginxEndpoint
    packages = ("nginx-full", "libnginx-mod-http-dav-ext", "openssl")
    needed = ("nginx", DAV_MODULE, "openssl")

    def __init__(self, upstream: str | None = None) -> None:
        super().__init__()
        self.upstream = upstream

    def launch(self, programs: Path) -> NginxEndpoint:
        http, https = free_ports(2)
        for name in ("served", "dav", "tmp"):
            (self.directory / name).mkdir()
        certificate = tls.issue(self.directory / "tls")
        password = self.run("openssl", "passwd", "-apr1", PASSWORD).strip()
        (self.directory / "htpasswd").write_text(f"{USER}:{password}\n")
        configuration = self.directory / "nginx.conf"
        configuration.write_text(self._configuration(http, https, certificate))
        self.spawn("nginx", "-c", str(configuration), "-e", str(self.logs / "error.log"))
        self.wait_for_http(f"http://127.0.0.1:{http}/")
        return NginxEndpoint(
            server="nginx",
            # It tells its version on standard error.
            version=self.run("sh", "-c", "nginx -v 2>&1").rpartition("/")[2].strip(),
            url=f"http://127.0.0.1:{http}",
            https_url=f"https://localhost:{https}",
            ca_bundle=str(certificate.authority),
            dav_url=f"http://127.0.0.1:{http}/dav/",
            root=str(self.directory / "served"),
            dav_root=str(self.directory / "dav"),
            user=USER,
            password=PASSWORD,
        )

    def _configuration(self, http: int, https: int, certificate: tls.Certificate) -> str:
        here = self.directory
        behind_tls = f"root {here}/served; autoindex on;"
        if self.upstream is not None:
            behind_tls = (
                f"proxy_pass http://{urllib.parse.urlsplit(self.upstream).netloc}; proxy_http_version 1.1; "
                "proxy_set_header Host $http_host; proxy_set_header Connection ''; "
                "proxy_request_buffering off; proxy_buffering off;"
            )
        return f"""\
load_module {DAV_MODULE};
user {getpass.getuser()};
daemon off;
worker_processes 1;
pid {here}/nginx.pid;
error_log {here}/log/error.log;
events {{ worker_connections 1024; }}
http {{
 include /etc/nginx/mime.types; default_type application/octet-stream;
 access_log {here}/log/access.log; sendfile on; tcp_nopush on; keepalive_timeout 65; keepalive_requests 100000;
 client_body_temp_path {here}/tmp/body; proxy_temp_path {here}/tmp/proxy; fastcgi_temp_path {here}/tmp/fastcgi;
 uwsgi_temp_path {here}/tmp/uwsgi; scgi_temp_path {here}/tmp/scgi;
 client_max_body_size 0; server_tokens off; etag on;
 dav_ext_lock_zone zone=dav:10m;
 limit_req_zone $binary_remote_addr zone=rate:1m rate=50r/s; limit_conn_zone $binary_remote_addr zone=few:1m;
 server {{
  listen 127.0.0.1:{http}; root {here}/served;
  location / {{ }}
  location /html/ {{ alias {here}/served/; autoindex on; }}
  location /json/ {{ alias {here}/served/; autoindex on; autoindex_format json; }}
  location /gzip/ {{ alias {here}/served/; gzip on; gzip_min_length 0; gzip_types *; }}
  location /norange/ {{ alias {here}/served/; max_ranges 0; }}
  location /noetag/ {{ alias {here}/served/; etag off; }}
  location /slow/ {{ alias {here}/served/; limit_rate 65536; }}
  location /chunked/ {{ alias {here}/served/; sub_filter never-there x; sub_filter_types *; }}
  location /weak/ {{ alias {here}/served/; sub_filter never-there x; sub_filter_types *; sub_filter_last_modified on; }}
  location /limited/ {{ alias {here}/served/; limit_req zone=rate burst=4 nodelay; limit_req_status 429; }}
  location /few/ {{ alias {here}/served/; limit_conn few 4; limit_conn_status 503; }}
  location /bearer/ {{ alias {here}/served/; if ($http_authorization != "Bearer {TOKEN}") {{ return 401; }} }}
  location = /said {{ default_type text/plain; add_header Set-Cookie "session=1; Path=/"; return 200 {SAID}; }}
  location ~ ^/near/(.*) {{ return 302 /$1; }}
  location ~ ^/away/(.*) {{ return 302 https://localhost:{https}/$1; }}
  location ~ ^/there-and-back/(.*) {{ return 302 https://localhost:{https}/back/$1; }}
  location ~ ^/signed/(.*) {{ return 307 /said?signature=of-the-server; }}
  location /denied/ {{ return 403; }}
  location /auth/ {{ alias {here}/served/; auth_basic files; auth_basic_user_file {here}/htpasswd; }}
  location = /redirect {{ return 302 /hello.txt; }}
  location = /loop {{ return 302 /loop; }}
  location = /500 {{ return 500; }}
  location = /503 {{ add_header Retry-After 1 always; return 503; }}
  location = /429 {{ add_header Retry-After 1 always; return 429; }}
  location = /drop {{ return 444; }}
  location /plain-dav/ {{ alias {here}/dav/; dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND; }}
  location /dav/ {{
   alias {here}/dav/; autoindex on; client_body_temp_path {here}/tmp/dav; create_full_put_path on;
   dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK; dav_ext_lock zone=dav;
   dav_access user:rw group:r all:r; min_delete_depth 0;
  }}
 }}
 server {{
  listen 127.0.0.1:{https} ssl;
  ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key};
  location = /said {{ default_type text/plain; return 200 {SAID}; }}
  location ~ ^/back/(.*) {{ return 302 http://127.0.0.1:{http}/$1; }}
  location / {{ {behind_tls} }}
 }}
}}
"""
