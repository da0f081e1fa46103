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
