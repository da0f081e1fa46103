"""A private PostgreSQL 15 with TLS: clients show a certificate whose CN is their role."""

import shutil
import signal
import time
from pathlib import Path

from .run import CommandFailed, sh

BIN = Path("/usr/lib/postgresql/15/bin")
BOOTSTRAP = Path(__file__).resolve().parents[2] / "migrations" / "bootstrap.sql"


class Postgres:
    def __init__(self, run, netns, address, port, certificates):
        """`certificates`: folder with ca.crt, server.crt and server.key as `triviumctl mesh init` writes them."""
        self.run, self.netns, self.address, self.port = run, netns, address, port
        self.certificates = Path(certificates)
        self.data = run.folder / "postgres" / "data"
        self.socket_folder = run.folder / "postgres"
        self.process = None

    def start(self):
        """Makes the data folder if there is none, starts the server, returns when it answers."""
        first = not self.data.exists()
        if first:
            self._init()
        self.process = self.run.start("postgres", [BIN / "postgres", "-D", self.data], netns=self.netns,
                                      user="postgres", wave=2, stop=signal.SIGINT)  # SIGINT: does not wait for clients
        self._wait()
        if first:
            self.sql(["CREATE ROLE trivium_writer LOGIN",
                      "CREATE DATABASE trivium OWNER trivium_writer ENCODING 'UTF8' TEMPLATE template0"
                      " LC_COLLATE 'C' LC_CTYPE 'C'"])
            self.sql(BOOTSTRAP.read_text(), database="trivium")

    def crash(self):
        """Ends it as a power cut would, but for the disk: no checkpoint, no good-bye to clients."""
        self.process.popen.send_signal(signal.SIGQUIT)
        self.process.popen.wait()

    def _init(self):
        # The server refuses to run as root, so the folders are the postgres user's; parents must let it through.
        self.socket_folder.mkdir(parents=True)
        for name in ("ca.crt", "server.crt", "server.key"):
            shutil.copy(self.certificates / name, self.socket_folder / name)
        (self.socket_folder / "server.key").chmod(0o600)
        sh("chown", "-R", "postgres:postgres", self.socket_folder)
        sh("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", BIN / "initdb", "-D", self.data,
           "--locale=C", "--encoding=UTF8", "--auth=peer", "-U", "postgres", "--no-sync")
        settings = {
            "listen_addresses": self.address, "port": self.port, "unix_socket_directories": self.socket_folder,
            "ssl": "on", "ssl_ca_file": self.socket_folder / "ca.crt", "ssl_cert_file": self.socket_folder / "server.crt",
            "ssl_key_file": self.socket_folder / "server.key", "ssl_min_protocol_version": "TLSv1.2",
            "max_connections": 100,
        }
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        (self.data / "pg_hba.conf").write_text(
            "local all postgres peer\n"
            "hostssl trivium trivium_writer all cert\n"
            "hostssl trivium trivium_reader all cert\n")

    def _wait(self, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            try:
                sh(BIN / "pg_isready", "-q", "-h", self.socket_folder, "-p", self.port)
                return
            except CommandFailed:
                if not self.process.alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start; see {self.process.log}") from None
                time.sleep(0.05)

    def sql(self, statements, database="postgres"):
        """Runs statements as the superuser over the local socket; the last one's rows as text, '|' between columns."""
        output = ""
        for statement in statements if isinstance(statements, list) else [statements]:
            if statement.strip():
                output = sh("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "psql", "-X", "-q", "-At",
                            "-v", "ON_ERROR_STOP=1", "-h", self.socket_folder, "-p", self.port, "-d", database,
                            "-c", statement)
        return output
