"""A whole Trivium mesh on one machine: namespaces as nodes and pods, real servers, real daemons. Test tool only."""
