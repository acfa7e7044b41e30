"""Who is measured: how each is configured and started. All do the same job: HTTP on one port of 127.0.0.1, the same
workers in turn, connections to workers kept, as many threads, no access log, health checks where they exist. With TLS:
the same certificate (ECDSA, P-256), cipher and curve, one ticket where that can be set, no cache of sessions.
"""

import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]


CIPHER, CURVE = "TLS_AES_128_GCM_SHA256", "X25519"


class Contender:
    """One program under measurement. `available` is None, or why it cannot take part."""

    name = ""
    program = None
    leads = True  # to workers: what asks it for something is answered by one

    def __init__(self, build, directory, threads=1):
        self.build = build
        self.threads = threads
        self.directory = directory / f"{self.name}-{threads}"
        self.directory.mkdir()
        self.process = None
        self.port = None
        self.tls = None  # paths of certificate and key, for clients over TLS
        self.h2c = False  # workers speak HTTP/2

    def label(self):
        """The name in tables: with the number of threads, if it is not one."""
        return self.name if self.threads == 1 else f"{self.name} x{self.threads}"

    def locate(self):
        """The program's path, or None."""
        return shutil.which(self.program, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")

    def missing(self):
        return f"{self.program} is not installed"

    def version(self):
        return ""

    def command(self, port, workers):
        """How it is started: listening on this port of 127.0.0.1, with these addresses of workers."""
        raise NotImplementedError

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def said(self, *arguments):
        """What the program prints about its version, on one of both outputs."""
        done = subprocess.run([self.locate(), *arguments], capture_output=True, text=True, timeout=10, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]


class Relay(Contender):
    name = "relay"

    def locate(self):
        path = self.build / "bench" / "relay"
        return str(path) if path.is_file() else None

    def missing(self):
        return f"{self.build}/bench/relay is not built"

    def command(self, port, workers):
        return [self.locate(), str(port), *workers]


class Loop(Contender):
    """Handshakes and nothing else."""
    name = "loop"
    leads = False

    def locate(self):
        path = self.build / "bench" / "tls_loop"
        return str(path) if path.is_file() else None

    def missing(self):
        return f"{self.build}/bench/tls_loop is not built"

    def command(self, port, workers):
        return [self.locate(), str(port), *self.tls]


class Nginx(Contender):
    """Kept connections both ways without a limit of requests, bodies streamed and never written to disk."""

    name = "nginx"
    program = "nginx"

    def version(self):
        return self.said("-v").rpartition("/")[2]

    def listening(self, port):
        reuse = " reuseport" if self.threads > 1 else ""
        if not self.tls:
            return f"listen 127.0.0.1:{port} backlog=4096{reuse};"
        return f"""listen 127.0.0.1:{port} ssl http2 backlog=4096{reuse};
    ssl_certificate {self.tls[0]};
    ssl_certificate_key {self.tls[1]};
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites {CIPHER};
    ssl_conf_command NumTickets 1;
    ssl_ecdh_curve {CURVE};
    http2_max_requests 100000000;"""

    def command(self, port, workers):
        servers = "\n".join(f"    server {worker};" for worker in workers)
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "\n".join(f"  {kind}_temp_path {self.directory}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.write("nginx.conf", f"""{user}
daemon off;
worker_processes {self.threads};
pid {self.directory}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
{temporary}
  keepalive_requests 100000000;
  client_max_body_size 0;
  client_body_buffer_size 128k;
  upstream web {{
{servers}
    keepalive {max(256, 2 * len(workers))};
    keepalive_requests 100000000;
  }}
  server {{
    {self.listening(port)}
    location / {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }}
  }}
}}
""")
        return [self.locate(), "-c", config, "-p", str(self.directory), "-e", "stderr"]


class Haproxy(Contender):
    name = "haproxy"
    program = "haproxy"

    def version(self):
        return self.said("-v").split()[2]

    def listening(self, port):
        if not self.tls:
            return f"bind 127.0.0.1:{port}"
        both = "".join(pathlib.Path(path).read_text() for path in self.tls)
        return (f"bind 127.0.0.1:{port} ssl crt {self.write('both.pem', both)} alpn h2,http/1.1 ssl-min-ver TLSv1.3 "
                f"ciphersuites {CIPHER} curves {CURVE}")

    def command(self, port, workers):
        spoken = " proto h2" if self.h2c else ""  # and checks are connects: those over HTTP/2 without TLS fail here
        servers = "\n".join(f"  server w{i} {worker}{spoken} check inter 2s" for i, worker in enumerate(workers))
        config = self.write("haproxy.cfg", f"""global
  nbthread {self.threads}
  maxconn 6000
  tune.ssl.cachesize 0
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option splice-auto
  http-reuse always
frontend web
  {self.listening(port)}
  default_backend workers
backend workers
  balance roundrobin
  {"" if self.h2c else "option httpchk GET /health"}
{servers}
""")
        return [self.locate(), "-db", "-f", config]


class Ballast(Contender):
    name = "ballast"
    health = {"path": "/health", "interval": "2s"}
    top = {}  # more settings

    def locate(self):
        path = self.build / "ballast"
        return str(path) if path.is_file() else None

    def missing(self):
        return f"{self.build}/ballast is not built"

    def command(self, port, workers):
        """JSON is a subset of the YAML that it reads."""
        listener = {"address": f"127.0.0.1:{port}"}
        if self.tls:
            listener["tls"] = {"certificates": [dict(zip(("chain", "key"), self.tls))]}
        pool = {"balance": "round-robin", "workers": workers, "health": self.health}
        if self.h2c:
            pool["protocol"] = "h2c"
        config = self.write("ballast.yaml", json.dumps({
            "listeners": [listener],
            "pools": {"web": pool},
            **self.top,
        }, indent=2))
        return [self.locate(), "run", "-c", config, "--no-keeper", "--threads", str(self.threads),
                "--access-log", "off"]


ALL = (Relay, Loop, Ballast, Nginx, Haproxy)
