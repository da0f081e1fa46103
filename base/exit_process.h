// How every program of the project ends once its work is done.
#pragma once

namespace trivium {

// Flushes the C and C++ output streams and ends the process with `status`, without the destructors of
// libraries. Threads of nats.c, and ours that wait in a server's TLS handshake, may still run then, and
// OpenSSL's clean-up at exit takes away what they hold: one process in some hundreds died of it after its
// work was done. In a build with the leak sanitizer the check for leaks comes first.
[[noreturn]] void ExitProcess(int status);

}  // namespace trivium
