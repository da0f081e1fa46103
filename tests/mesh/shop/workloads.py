"""The shop: who runs where, what it serves, and, written by hand, who may talk to whom once the policies are in.

The expectation is deliberately a plain list: it is what the policies in this folder were written to say, not what any
program made of them."""

# cluster/namespace/name, node, [(port name, port, protocol)]
WORKLOADS = [
    ("aws-euw2/shop/frontend", "n1", [("http", 8080, "tcp")]),
    ("aws-euw2/shop/catalog", "n2", [("http", 8080, "tcp")]),
    ("aws-euw2/shop/cart", "n1", [("http", 8080, "tcp")]),
    ("aws-euw2/data/redis", "n2", [("redis", 6379, "tcp")]),
    ("gcp-euw2/shop/checkout", "n1", [("http", 8080, "tcp")]),
    ("gcp-euw2/shop/recommend", "n2", [("http", 8080, "tcp")]),
    ("gcp-euw2/data/orders-db", "n1", [("sql", 5432, "tcp")]),
    ("azure-uks/shop/payments", "n1", [("https", 8443, "tcp")]),
    ("azure-uks/shop/email", "n2", [("smtp", 2525, "tcp")]),
    ("azure-uks/data/ledger-db", "n1", [("sql", 5432, "tcp")]),
    ("azure-uks/infra/dns", "n2", [("dns", 53, "udp")]),
]

# Outside the mesh: name, underlay host number (192.168.60.<n>), ports.
EXTERNALS = [
    ("bank", 201, [("https", 443, "tcp")]),
    ("customer", 202, []),
]

# Before any policy, Kubernetes lets everybody talk to everybody. After: these alone, source -> destination.
ALLOWED = {
    ("customer", "aws-euw2/shop/frontend"),
    ("aws-euw2/shop/frontend", "aws-euw2/shop/catalog"),
    ("aws-euw2/shop/frontend", "aws-euw2/shop/cart"),
    ("aws-euw2/shop/frontend", "gcp-euw2/shop/checkout"),
    ("aws-euw2/shop/frontend", "gcp-euw2/shop/recommend"),
    ("aws-euw2/shop/cart", "aws-euw2/data/redis"),
    ("gcp-euw2/shop/checkout", "azure-uks/shop/payments"),
    ("gcp-euw2/shop/checkout", "azure-uks/shop/email"),
    ("gcp-euw2/shop/checkout", "aws-euw2/shop/cart"),
    ("gcp-euw2/shop/checkout", "gcp-euw2/data/orders-db"),
    ("gcp-euw2/shop/recommend", "aws-euw2/shop/catalog"),
    ("azure-uks/shop/payments", "azure-uks/data/ledger-db"),
    ("azure-uks/shop/payments", "bank"),
} | {(ref, "azure-uks/infra/dns") for ref, _, _ in WORKLOADS if ref != "azure-uks/infra/dns"}
