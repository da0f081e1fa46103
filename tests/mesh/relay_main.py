"""Relays TCP inside the infra namespace, as JSON lines on stdin ask, and does to connections what networks do.

Every command has an `id`; its answer carries it.
  {"id", "do": "open", "name", "listen": [host, port], "to": [host, port], "sql": null | {...}}  -> {"id", "ok": true}
  {"id", "do": "set", "name", "state": "up|cut|hole"}   cut: closes what is open, refuses what is new; hole: nothing is
                                                        forwarded and nothing closed, as behind a firewall that drops
  {"id", "do": "commit", "name", "when": "before|after"}  sql alone: the next COMMIT ends its connection, before the
                                                        server hears of it or after it has answered, unheard
  {"id", "do": "counts", "name"}                        -> {"id", "connections", "commits_cut"}

With `sql` the relay speaks TLS to both sides, so that it can see statements: {"server": [certificate, key],
"client": [certificate, key], "ca": file}."""

import json
import socket
import ssl
import sys
import threading

SSL_REQUEST = bytes((0, 0, 0, 8, 4, 210, 22, 47))  # PostgreSQL's: length 8, code 80877103
CHUNK = 65536


class Relay:
    def __init__(self, listen, to, sql):
        self.to, self.sql = tuple(to), sql
        self.state, self.lock, self.may_pass = "up", threading.Lock(), threading.Event()
        self.may_pass.set()
        self.open = set()  # sockets
        self.cut_commit, self.commits_cut, self.connections = None, 0, 0
        if sql:
            self.inner = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.inner.load_cert_chain(*sql["server"])
            self.outer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.outer.load_verify_locations(sql["ca"])
            self.outer.load_cert_chain(*sql["client"])
        self.listener = socket.create_server(tuple(listen), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, state):
        with self.lock:
            self.state = state
            doomed = list(self.open) if state == "cut" else []
        if state == "hole":
            self.may_pass.clear()
        else:
            self.may_pass.set()
        for sock in doomed:
            self._close(sock)

    def _close(self, sock):
        with self.lock:
            self.open.discard(sock)
        try:
            sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
        except OSError:
            pass
        sock.close()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        pair = [client]
        try:
            self.may_pass.wait()
            if self.state == "cut":
                return
            server = socket.create_connection(self.to, timeout=5)
            server.settimeout(None)
            pair.append(server)
            if self.sql:
                client, server = pair[:] = self._speak_tls(client, server)
            with self.lock:
                self.open.update(pair)
                self.connections += 1
            back = threading.Thread(target=self._forward, args=(server, client, False), daemon=True)
            back.start()
            self._forward(client, server, True)
            back.join()
        except OSError:
            pass  # an end that went away: the other one is closed too
        finally:
            for sock in pair:
                self._close(sock)

    def _speak_tls(self, client, server):
        if client.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
            raise OSError("not a PostgreSQL client that wants TLS")
        server.sendall(SSL_REQUEST)
        if server.recv(1) != b"S":
            raise OSError("the server does not want TLS")
        server = self.outer.wrap_socket(server, server_hostname=self.to[0])
        client.sendall(b"S")
        return self.inner.wrap_socket(client, server_side=True), server

    def _forward(self, source, sink, to_server):
        try:
            while data := source.recv(CHUNK):
                self.may_pass.wait()
                if self._cuts_here(data, to_server):
                    break
                sink.sendall(data)
        except OSError:
            pass
        for sock in (source, sink):
            self._close(sock)

    def _cuts_here(self, data, to_server):
        """COMMIT stands in the client's statement and in the server's answer to it."""
        if self.cut_commit is None or to_server != (self.cut_commit == "before") or b"COMMIT" not in data:
            return False
        with self.lock:
            if self.cut_commit is None:
                return False
            self.cut_commit = None
            self.commits_cut += 1
        return True


relays = {}


def do(command):
    kind = command["do"]
    if kind == "open":
        relays[command["name"]] = Relay(command["listen"], command["to"], command.get("sql"))
        return {"ok": True}
    relay = relays[command["name"]]
    if kind == "set":
        relay.set(command["state"])
    elif kind == "commit":
        relay.cut_commit = command["when"]
    elif kind == "counts":
        return {"connections": relay.connections, "commits_cut": relay.commits_cut}
    else:
        raise ValueError(f"unknown command {kind!r}")
    return {"ok": True}


for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = do(command)
    except Exception as error:  # the harness shows it; this process must go on
        answer = {"error": repr(error)}
    sys.stdout.write(json.dumps({"id": command["id"], **answer}) + "\n")
    sys.stdout.flush()
