"""Connections between network namespaces, many at once, by sockets that this process opens inside them.

A station is a namespace with its capture of eth0, its raw sockets (ICMP, and SCTP, for which the kernel has none) and
its listeners. An attempt is one connection of one station to another. That it passed is what the captures saw: its first
packet came out at the far end, and the answer came back. That it did not is known when every attempt that should pass has
passed, a while has gone by without any packet, and none of it has come out; one that comes out later still is wrong."""

import ctypes
import os
import select
import socket
import struct
import time
from dataclasses import dataclass

ETH_P_ALL = 3
ETHER_TYPES = {0x0800: 4, 0x86dd: 6}
SCTP = 132
ICMP, ICMPV6, TCP, UDP = socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6, socket.IPPROTO_TCP, socket.IPPROTO_UDP
NUMBERS = {"TCP": TCP, "UDP": UDP, "SCTP": SCTP}
SCTP_INIT, SCTP_INIT_ACK, SCTP_DATA = 1, 2, 0
# Types whose answer comes from the kernel at the far end.
ECHO = {4: {8: 0}, 6: {128: 129}}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER: no FIN that a later policy could leave hanging

_libc = ctypes.CDLL(None, use_errno=True)
_home = os.open("/proc/self/ns/net", os.O_RDONLY)


class Inside:
    """With it, sockets are opened in the network namespace of that name."""

    def __init__(self, netns):
        self.netns = netns

    @staticmethod
    def _enter(fd):
        if _libc.setns(fd, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        fd = os.open(f"/run/netns/{self.netns}", os.O_RDONLY)
        try:
            self._enter(fd)
        finally:
            os.close(fd)

    def __exit__(self, *exception):
        self._enter(_home)


def packed(ip):
    return socket.inet_pton(socket.AF_INET6 if ":" in ip else socket.AF_INET, ip)


class Station:
    def __init__(self, netns):
        self.netns = netns
        self.raw = {}
        self.listeners = {}  # (protocol, family, port)
        with Inside(netns):
            self.capture = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(ETH_P_ALL))
            self.capture.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            for family, protocol in ((4, ICMP), (6, ICMPV6), (4, SCTP), (6, SCTP)):
                raw = socket.socket(FAMILIES[family], socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # nobody reads it: the capture does
                self.raw[family, protocol] = raw
        self.capture.bind(("eth0", ETH_P_ALL))

    def listen(self, protocol, family, port):
        """A listener of TCP or UDP, made when it is first asked for."""
        key = (protocol, family, port)
        if key in self.listeners:
            return self.listeners[key]
        with Inside(self.netns):
            kind = socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM
            sock = socket.socket(FAMILIES[family], kind | socket.SOCK_NONBLOCK)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == 6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(("::" if family == 6 else "0.0.0.0", port))
        if protocol == TCP:
            sock.listen(4096)
        self.listeners[key] = sock
        return sock

    def reset(self):
        """Without listeners, for the next pod that lives here."""
        for sock in self.listeners.values():
            sock.close()
        self.listeners.clear()
        drain(self.capture)

    def close(self):
        self.reset()
        self.capture.close()
        for raw in self.raw.values():
            raw.close()


def drain(sock):
    try:
        while True:
            sock.recv(2048)
    except BlockingIOError:
        pass


@dataclass(eq=False)
class Attempt:
    """A connection, or with `flow` the next packet of an open one."""
    name: str  # for people
    source: Station
    target: Station
    source_ip: str
    target_ip: str
    protocol: str  # TCP, UDP, SCTP, ICMP
    port: int  # of ICMP: the type
    family: int
    expected: bool
    flow: "Attempt | None" = None
    sock: "socket.socket | None" = None
    far_end: "socket.socket | None" = None  # of an open flow of TCP
    sport: int = 0  # of ICMP: the id
    arrived: bool = False
    answered: bool = False
    sent_at: float = 0.0
    number: int = 0  # of the protocol

    def __post_init__(self):
        icmp = ICMP if self.family == 4 else ICMPV6
        self.number = icmp if self.protocol == "ICMP" else NUMBERS[self.protocol]
        if self.flow:
            self.sock, self.sport = self.flow.sock, self.flow.sport

    def key(self):
        """What its packets look like at the far end."""
        return (self.number, packed(self.source_ip), packed(self.target_ip), self.sport, self.port)

    def answer_key(self):
        """What the answer looks like at home; None: there is none to wait for."""
        if self.protocol != "ICMP":
            return (self.number, packed(self.target_ip), packed(self.source_ip), self.port, self.sport)
        reply = ECHO[self.family].get(self.port)
        return None if reply is None else (self.number, packed(self.target_ip), packed(self.source_ip), self.sport, reply)

    def passed(self):
        return self.arrived and (self.answered or self.answer_key() is None)

    def wrong(self):
        return not self.passed() if self.expected else self.arrived

    def seen(self):
        if not self.arrived:
            return "denied"
        return "allowed" if self.passed() else "its first packet arrived, and no answer came back"


def parse(family, packet):
    """The key of a packet (as Attempt.key) and whether it holds data or opens nothing; None for others."""
    if family == 4:
        if len(packet) < 20 or struct.unpack_from("!H", packet, 6)[0] & 0x1fff:
            return None
        protocol, source, target = packet[9], packet[12:16], packet[16:20]
        at = (packet[0] & 15) * 4
    else:
        if len(packet) < 40:
            return None
        protocol, source, target, at = packet[6], packet[8:24], packet[24:40], 40
    if len(packet) < at + 8:
        return None
    if protocol in (ICMP, ICMPV6):
        kind, _, _, number = struct.unpack_from("!BBHH", packet, at)
        return (protocol, source, target, number, kind), True
    if protocol not in (TCP, UDP, SCTP):
        return None
    ports = struct.unpack_from("!HH", packet, at)
    data = True
    if protocol == TCP:
        # The length by the header: what is shorter than a frame is padded.
        total = struct.unpack_from("!H", packet, 2)[0] if family == 4 else 40 + struct.unpack_from("!H", packet, 4)[0]
        data = total > at + (packet[at + 12] >> 4) * 4
    if protocol == SCTP and len(packet) > at + 12:
        data = packet[at + 12] == SCTP_DATA
    return (protocol, source, target, *ports), data


def checksum(text):
    total = sum(struct.unpack(f"!{(len(text) + 1) // 2}H", text + b"\0" * (len(text) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def sctp_packet(sport, dport, chunk):
    """One chunk, large enough for what programs read. The checksum is 0: nobody here is an SCTP stack."""
    return struct.pack("!HHIIBBHIIHHI", sport, dport, 1 if chunk == SCTP_DATA else 0, 0, chunk, 3, 20, 1, 65536, 1, 1, 1)


class Wire:
    PATIENCE = 8.0  # seconds until what should pass and did not is called denied
    QUIET = 0.05  # without a packet, after which what did not come out is called denied
    AGAIN = 0.3  # after which what has no kernel behind it is sent once more

    def __init__(self):
        self._poll = select.epoll()
        self._stations = {}  # by capture's descriptor
        self._port = 20000
        self.flows = []
        self.late = []  # new attempts that were judged denied: looked out for until the case ends

    def add(self, station):
        self._stations[station.capture.fileno()] = station
        self._poll.register(station.capture.fileno(), select.EPOLLIN)

    def judge(self, attempts):
        """Tries all of them side by side; each knows afterwards whether it arrived and was answered."""
        self._arrivals = {a.key(): a for a in self.late}
        self._answers = {}
        for attempt in attempts:
            self._prepare(attempt)
        for attempt in attempts:
            self._send(attempt)
            self._hear(0)
        start = self._last = time.monotonic()
        while True:
            now = time.monotonic()
            missing = [a for a in attempts if a.expected and not a.passed()]
            if (not missing and now - self._last >= self.QUIET) or now - start > self.PATIENCE:
                break
            for attempt in missing:
                if attempt.protocol != "TCP" and now - attempt.sent_at > self.AGAIN:
                    self._send(attempt)
            self._hear(self.QUIET if missing else max(self.QUIET - (now - self._last), 0.001))
        for attempt in attempts:
            if attempt.flow is None and not attempt.expected and not attempt.arrived:
                self.late.append(attempt)
        self._accept()

    def open(self, attempts):
        """Opens connections and keeps them for later packets."""
        self.flows += attempts
        self.judge(attempts)

    def finish(self, attempts):
        """Closes what these attempts hold."""
        for attempt in attempts:
            if attempt.flow is None:
                for sock in (attempt.sock, attempt.far_end):
                    if sock is not None:
                        sock.close()
                attempt.sock = attempt.far_end = None

    def end_case(self):
        """Closes all flows; new attempts that came out after they had been judged denied."""
        self._arrivals, self._answers, self._last = {a.key(): a for a in self.late}, {}, 0.0
        self._hear(0)
        late = [a for a in self.late if a.arrived]
        self.finish(self.flows)
        self.flows, self.late = [], []
        self._accept()
        return late

    # ---- sending ----------------------------------------------------------------------------------------------

    def _next_port(self):
        self._port = 20000 if self._port == 60000 else self._port + 1
        return self._port

    def _prepare(self, a):
        if a.protocol in ("TCP", "UDP"):
            a.target.listen(a.number, a.family, a.port)
            if a.flow is None:
                with Inside(a.source.netns):
                    kind = socket.SOCK_STREAM if a.protocol == "TCP" else socket.SOCK_DGRAM
                    a.sock = socket.socket(FAMILIES[a.family], kind | socket.SOCK_NONBLOCK)
                if a.protocol == "TCP":
                    a.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                    a.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                a.sock.bind((a.source_ip, 0))
                a.sport = a.sock.getsockname()[1]
        elif a.flow is None:
            a.sport = self._next_port()
        self._arrivals[a.key()] = a
        if a.answer_key():
            self._answers[a.answer_key()] = a

    def _send(self, a):
        a.sent_at = time.monotonic()
        try:
            if a.protocol == "TCP" and a.flow is None:
                a.sock.connect_ex((a.target_ip, a.port))
            elif a.protocol == "TCP":
                a.sock.send(b"x")
            elif a.protocol == "UDP":
                a.sock.sendto(b"x", (a.target_ip, a.port))
            else:
                raw = a.source.raw[a.family, a.number]
                raw.sendto(self._raw_packet(a), (a.target_ip, 0))
        except OSError as error:
            # What an answer of the kernel leaves on the socket (refused, unreachable) is seen on the wire.
            if isinstance(error, (BrokenPipeError, ConnectionError, BlockingIOError)) or error.errno in (111, 113, 101, 1):
                return
            raise

    @staticmethod
    def _raw_packet(a):
        if a.protocol == "SCTP":
            return sctp_packet(a.sport, a.port, SCTP_DATA if a.flow else SCTP_INIT)
        packet = struct.pack("!BBHHH", a.port, 0, 0, a.sport, 2 if a.flow else 1) + b"\0" * 24
        if a.family == 6:
            return packet  # the kernel fills in the checksum
        return packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]

    # ---- hearing ----------------------------------------------------------------------------------------------

    def _hear(self, timeout):
        for fd, _ in self._poll.poll(timeout):
            station = self._stations[fd]
            try:
                while True:
                    packet, address = station.capture.recvfrom(256)
                    if address[2] != socket.PACKET_OUTGOING and address[1] in ETHER_TYPES:
                        self._heard(station, ETHER_TYPES[address[1]], packet)
            except BlockingIOError:
                pass

    def _heard(self, station, family, packet):
        parsed = parse(family, packet)
        if parsed is None:
            return
        key, data = parsed
        attempt = self._arrivals.get(key)
        if attempt is not None and attempt.target is station:
            # Of an open flow, the handshake's own packets say nothing of the next one.
            if attempt.flow is None or data:
                attempt.arrived = True
                self._last = time.monotonic()
            self._reply(attempt)
        attempt = self._answers.get(key)
        if attempt is not None and attempt.source is station:
            attempt.answered = True
            self._last = time.monotonic()

    def _reply(self, a):
        """What the far end says, where no kernel does."""
        if a.protocol == "UDP":
            listener = a.target.listeners[UDP, a.family, a.port]
            drain(listener)
            listener.sendto(b"y", (a.source_ip, a.sport))
        elif a.protocol == "SCTP":
            raw = a.target.raw[a.family, SCTP]
            raw.sendto(sctp_packet(a.port, a.sport, SCTP_DATA if a.flow else SCTP_INIT_ACK), (a.source_ip, 0))

    def _accept(self):
        """Takes connections out of the listeners' queues; those of open flows are kept."""
        kept = {a.sport: a for a in self.flows if a.protocol == "TCP"}
        for station in self._stations.values():
            for (protocol, _, _), listener in station.listeners.items():
                if protocol != TCP:
                    continue
                try:
                    while True:
                        sock, address = listener.accept()
                        flow = kept.get(address[1])
                        if flow is not None and packed(address[0]) == packed(flow.source_ip):
                            flow.far_end = sock
                        else:
                            sock.close()
                except OSError as error:
                    if error.errno != 11:
                        raise
