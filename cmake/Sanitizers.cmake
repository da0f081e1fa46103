# One switch picks the sanitizers of a whole build: address+undefined, thread, fuzzer (clang: address and undefined
# behaviour with libFuzzer's coverage), or none.
set(TRIVIUM_SANITIZE "" CACHE STRING "address+undefined, thread, fuzzer, or empty")
if(TRIVIUM_SANITIZE STREQUAL "address+undefined")
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(TRIVIUM_SANITIZE STREQUAL "thread")
  set(sanitizers -fsanitize=thread)
elseif(TRIVIUM_SANITIZE STREQUAL "fuzzer")
  set(sanitizers -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
elseif(TRIVIUM_SANITIZE)
  message(FATAL_ERROR "TRIVIUM_SANITIZE=${TRIVIUM_SANITIZE}: want address+undefined, thread or fuzzer")
endif()
if(TRIVIUM_SANITIZE)
  # Optimising instrumented code takes three times as long to compile as it saves in the tests.
  set(level -Og)
  if(TRIVIUM_SANITIZE STREQUAL "fuzzer")
    set(level -O1)  # a fuzzer's use is its speed
  endif()
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "${level} -g1")
  set(CMAKE_C_FLAGS_RELWITHDEBINFO "${level} -g1")
  add_compile_options(${sanitizers} -fno-omit-frame-pointer)
  add_link_options(${sanitizers})
endif()
if(TRIVIUM_SANITIZE STREQUAL "thread")
  # Debian's protobuf has another layout of maps under this macro than its library was built with; libstdc++, all headers,
  # needs to know nevertheless.
  add_compile_options(-U__SANITIZE_THREAD__ -D_GLIBCXX_TSAN=1)
  add_library(tsan_absl OBJECT ${CMAKE_SOURCE_DIR}/cmake/tsan_absl.cc)
  foreach(wrapped _ZN4absl7debian35Mutex4LockEv _ZN4absl7debian35Mutex6UnlockEv
                  _ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE
                  _ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE
                  _ZN4absl7debian312Notification6NotifyEv _ZNK4absl7debian312Notification19WaitForNotificationEv
                  _ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE
                  _ZN4absl7debian315BlockingCounter14DecrementCountEv _ZN4absl7debian315BlockingCounter4WaitEv)
    add_link_options(LINKER:--wrap=${wrapped})
  endforeach()
  link_libraries($<TARGET_OBJECTS:tsan_absl> absl_synchronization absl_time)
endif()
