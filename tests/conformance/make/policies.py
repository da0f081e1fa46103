"""Manifests, short: the text of a policy from the part that matters."""


def cnp(spec, name="p", namespace="x"):
    return (f"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
            f"{indent(spec)}")


def ccnp(spec, name="p"):
    return f"apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata:\n  name: {name}\n{indent(spec)}"


def group(cidrs, name="g", labels=None):
    text = f"apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata:\n  name: {name}\n"
    if labels:
        text += f"  labels: {labels}\n"
    return text + f"spec:\n  externalCIDRs: {cidrs}\n"


def netpol(spec, name="n", namespace="x"):
    return (f"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  namespace: {namespace}\n"
            f"{indent(spec)}")


def indent(spec):
    if spec.startswith(("spec:", "specs:")):
        return spec.rstrip("\n") + "\n"
    return "spec:\n" + "".join(f"  {line}\n" for line in spec.strip("\n").split("\n"))


A = "endpointSelector: {matchLabels: {pod: a}}\n"
EVERY = "endpointSelector: {}\n"
