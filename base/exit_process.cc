#include "base/exit_process.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

// Only there when the program was built with the leak sanitizer.
extern "C" void __lsan_do_leak_check() __attribute__((weak));

namespace trivium {

void ExitProcess(int status) {
  std::cout.flush();
  std::clog.flush();
  fflush(nullptr);
  spdlog::default_logger()->flush();
  if (__lsan_do_leak_check != nullptr) __lsan_do_leak_check();
  _exit(status);
}

}  // namespace trivium
