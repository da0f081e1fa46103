# The agent's rooms. Pure ones (delta, desired, compile, reconcile, mirror, inbox) link neither NATS nor libbpf.
trivium_library(map_io
  SOURCES reconcile/map_io.cc
  DEPS base)
