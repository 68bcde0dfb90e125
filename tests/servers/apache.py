"""Apache httpd: directory indexes in each of its styles, and WebDAV."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.servers.server import Endpoint, Server, free_ports

MODULES = "/usr/lib/apache2/modules"
LOADED = ("mpm_event", "authz_core", "alias", "autoindex", "dir", "mime", "headers", "dav", "dav_fs", "dav_lock")
OWNER = "www-data"
"""Who serves if root starts it: Apache refuses to be root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApacheEndpoint(Endpoint):
    """Files placed in ``root`` are listed under ``url`` + ``/plain/``, ``/fancy/``, ``/linked/`` and ``/table/``."""

    url: str
    root: str
    dav_url: str
    dav_root: str


class Apache(Server[ApacheEndpoint]):
    """One Apache, without Debian's own configuration and service."""

    name = "apache"
    covers = "directory indexes and WebDAV of Apache"
    endpoint_type = ApacheEndpoint
    packages = ("apache2-bin",)
    needed = ("apache2", f"{MODULES}/mod_dav_fs.so")

    def launch(self, programs: Path) -> ApacheEndpoint:
        (port,) = free_ports(1)
        for name in ("served", "dav", "run"):
            (self.directory / name).mkdir()
            if os.geteuid() == 0:
                shutil.chown(self.directory / name, OWNER)
        configuration = self.directory / "httpd.conf"
        configuration.write_text(self._configuration(port))
        self.spawn("apache2", "-f", str(configuration), "-D", "FOREGROUND")
        self.wait_for_http(f"http://127.0.0.1:{port}/")
        return ApacheEndpoint(
            server="Apache",
            version=self.run("apache2", "-v").partition("Apache/")[2].partition(" ")[0],
            url=f"http://127.0.0.1:{port}",
            root=str(self.directory / "served"),
            dav_url=f"http://127.0.0.1:{port}/dav/",
            dav_root=str(self.directory / "dav"),
        )

    def _configuration(self, port: int) -> str:
        here = self.directory
        modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED)
        owner = f"User {OWNER}\nGroup {OWNER}" if os.geteuid() == 0 else ""
        return f"""\
{modules}
{owner}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {here}/run/httpd.pid
Mutex file:{here}/run
DefaultRuntimeDir {here}/run
ErrorLog {here}/log/error.log
TypesConfig /dev/null
KeepAliveTimeout 65
MaxKeepAliveRequests 0
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 128
DavLockDB {here}/run/locks
<Directory />
 Require all denied
</Directory>
<Directory {here}/served>
 Require all granted
 Options +Indexes
</Directory>
<Directory {here}/dav>
 Require all granted
 Dav On
</Directory>
Alias /plain/ {here}/served/
Alias /fancy/ {here}/served/
Alias /table/ {here}/served/
Alias /linked/ {here}/served/
Alias /dav/ {here}/dav/
# A file that is younger than a second has a weak ETag; here it is taken for a strong one.
Alias /strong/ {here}/dav/
<Location /strong/>
 Header edit ETag ^W/ ""
</Location>
<Location /plain/>
 IndexOptions -FancyIndexing
</Location>
<Location /fancy/>
 IndexOptions FancyIndexing Charset=UTF-8
</Location>
<Location /linked/>
 IndexOptions FancyIndexing IconsAreLinks Charset=UTF-8
 DefaultIcon /unknown.gif
</Location>
<Location /table/>
 IndexOptions FancyIndexing HTMLTable NameWidth=* FoldersFirst Charset=UTF-8
</Location>
"""
