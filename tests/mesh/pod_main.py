"""The process inside a pod's namespace: listens, connects and keeps flows running, as JSON lines on stdin ask.

Every command has an `id`; its answer carries it. Commands run side by side.
  {"id", "do": "listen", "protocol": "tcp|udp", "family": 4|6, "port"}     -> {"id", "ok": true}
  {"id", "do": "connect", "protocol", "ip", "port", "timeout"}             -> {"id", "result": "open|refused|timeout|unreachable"}
  {"id", "do": "flow", "protocol", "ip", "port", "interval", "name"}       -> {"id", "ok": true}; runs until asked for
  {"id", "do": "flow-report", "name", "stop": bool}                        -> {"id", "sent", "answered", "longest_gap", "broken"}
  {"id", "do": "attempts", "protocol", "ip", "port", "interval", "timeout", "name"}  -> repeated new connections
  {"id", "do": "attempts-report", "name", "stop": bool}                    -> {"id", "tried", "passed"}
"""

import asyncio
import errno
import json
import socket
import sys
import time

background = {}


class UdpEcho(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


class UdpClient(asyncio.DatagramProtocol):
    def __init__(self):
        self.answers = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.answers.put_nowait(data)

    def error_received(self, error):
        self.answers.put_nowait(error)


async def tcp_echo(reader, writer):
    try:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()


async def listen(c):
    family, host = (socket.AF_INET6, "::") if c["family"] == 6 else (socket.AF_INET, "0.0.0.0")
    if c["protocol"] == "tcp":
        await asyncio.start_server(tcp_echo, host, c["port"], family=family, backlog=256)
    else:
        udp = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        udp.setblocking(False)
        udp.bind((host, c["port"]))
        await asyncio.get_running_loop().create_datagram_endpoint(UdpEcho, sock=udp)
    return {"ok": True}


def outcome(error):
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "unreachable"
    raise error


async def attempt(c):
    """One new connection, with one byte there and back."""
    try:
        if c["protocol"] == "tcp":
            reader, writer = await asyncio.wait_for(asyncio.open_connection(c["ip"], c["port"]), c["timeout"])
            try:
                writer.write(b"x")
                await asyncio.wait_for(reader.readexactly(1), c["timeout"])
            finally:
                # No FIN exchange that a later policy could leave hanging.
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                writer.close()
            return "open"
        transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
            UdpClient, remote_addr=(c["ip"], c["port"]))
        try:
            transport.sendto(b"x")
            answer = await asyncio.wait_for(client.answers.get(), c["timeout"])
            if isinstance(answer, Exception):
                raise answer
            return "open"
        finally:
            transport.close()
    except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
        if isinstance(error, asyncio.IncompleteReadError):
            return "refused"
        return outcome(error)


async def connect(c):
    return {"result": await attempt(c)}


class Flow:
    """One connection on which a numbered message goes out each interval; counts what comes back."""

    def __init__(self, c):
        self.c = c
        self.sent = self.answered = 0
        self.longest_gap = 0.0
        self.broken = ""
        self.last = time.monotonic()
        self.task = None

    def _answered(self):
        now = time.monotonic()
        self.longest_gap = max(self.longest_gap, now - self.last)
        self.last = now
        self.answered += 1

    async def open(self):
        c = self.c
        if c["protocol"] == "tcp":
            reader, writer = await asyncio.wait_for(asyncio.open_connection(c["ip"], c["port"]), c.get("timeout", 5))
            self.task = asyncio.create_task(self._tcp(reader, writer))
        else:
            transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
                UdpClient, remote_addr=(c["ip"], c["port"]))
            self.task = asyncio.create_task(self._udp(transport, client))
        self.last = time.monotonic()

    async def _tcp(self, reader, writer):
        async def receive():
            while await reader.readexactly(4):
                self._answered()
        receiver = asyncio.create_task(receive())
        try:
            while True:
                if receiver.done():
                    await receiver
                self.sent += 1
                writer.write(self.sent.to_bytes(4, "big"))
                await asyncio.sleep(self.c["interval"])
        except (OSError, asyncio.IncompleteReadError) as error:
            self.broken = repr(error)
        finally:
            receiver.cancel()
            writer.transport.abort()

    async def _udp(self, transport, client):
        async def receive():
            while True:
                answer = await client.answers.get()
                if not isinstance(answer, Exception):
                    self._answered()
        receiver = asyncio.create_task(receive())
        try:
            while True:
                self.sent += 1
                transport.sendto(self.sent.to_bytes(4, "big"))
                await asyncio.sleep(self.c["interval"])
        finally:
            receiver.cancel()
            transport.close()

    def report(self):
        gap = max(self.longest_gap, time.monotonic() - self.last)
        return {"sent": self.sent, "answered": self.answered, "longest_gap": gap, "broken": self.broken}


class Attempts:
    """A new connection each interval; counts those that pass."""

    def __init__(self, c):
        self.c = c
        self.tried = self.passed = 0
        self.task = None

    async def open(self):
        self.task = asyncio.create_task(self._run())

    async def _run(self):
        while True:
            passed = await attempt(self.c) in ("open", "refused")
            self.tried += 1  # now that it is over: a report never counts one that is under way
            self.passed += passed
            await asyncio.sleep(self.c["interval"])

    def report(self):
        return {"tried": self.tried, "passed": self.passed}


async def start(c, kind):
    background[c["name"]] = task = kind(c)
    await task.open()
    return {"ok": True}


async def report(c):
    task = background[c["name"]]
    answer = task.report()
    if c.get("stop"):
        task.task.cancel()
        del background[c["name"]]
    return answer


DO = {
    "listen": listen,
    "connect": connect,
    "flow": lambda c: start(c, Flow),
    "attempts": lambda c: start(c, Attempts),
    "flow-report": report,
    "attempts-report": report,
}


async def serve(command):
    try:
        answer = await DO[command["do"]](command)
    except Exception as error:  # the harness shows it; this process must go on
        answer = {"error": repr(error)}
    sys.stdout.write(json.dumps({"id": command["id"], **answer}) + "\n")
    sys.stdout.flush()


async def main():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks = set()
    while line := await reader.readline():
        task = asyncio.create_task(serve(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


asyncio.run(main())
