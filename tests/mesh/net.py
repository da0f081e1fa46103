"""The wires: an infra namespace with a bridge that stands for the underlay, node namespaces plugged into it."""

from .run import sh

PREFIX = "192.168.60"
PREFIX6 = "fd60::"


class Underlay:
    """Bridge `br0` in a namespace of its own; servers and control planes run there, at 192.168.60.1."""

    def __init__(self, run, name):
        self.run, self.netns = run, f"{name}-infra"
        self.address = f"{PREFIX}.1"

    def make(self):
        self.run.add_namespace(self.netns)
        sh("ip", "-n", self.netns, "-batch", "-", input="\n".join([
            "link add br0 type bridge",
            f"addr add {self.address}/24 dev br0",
            f"addr add {PREFIX6}1/64 dev br0 nodad",
            "link set br0 up",
        ]) + "\n")

    def plug(self, netns, number):
        """Gives the node namespace `netns` an uplink eth0 with address .<number>."""
        self.run.add_namespace(netns)
        port = f"p{number}"
        sh("ip", "-n", self.netns, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", netns)
        sh("ip", "-n", self.netns, "link", "set", port, "master", "br0", "up")
        sh("ip", "-n", netns, "-batch", "-", input="\n".join([
            f"addr add {PREFIX}.{number}/24 dev eth0",
            f"addr add {PREFIX6}{number:x}/64 dev eth0 nodad",
            "link set eth0 up",
        ]) + "\n")
        return f"{PREFIX}.{number}"
