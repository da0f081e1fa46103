# Every third-party library, from Debian 12, found once. Rooms name the imported targets below.
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(Protobuf REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)

find_package(OpenSSL REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(LIBMNL REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)

# nats.c: Debian ships the header and the library without a pkg-config file that fits both.
find_path(NATS_INCLUDE_DIR nats.h PATH_SUFFIXES nats REQUIRED)
find_library(NATS_LIBRARY nats REQUIRED)

# For programs that make and drop many small objects: a control plane under load needs a third less processor time than
# with libc's allocator. The sanitizers bring their own.
find_library(JEMALLOC_LIBRARY jemalloc REQUIRED)
add_library(trivium_allocator INTERFACE)
if(NOT TRIVIUM_SANITIZE)
  target_link_libraries(trivium_allocator INTERFACE ${JEMALLOC_LIBRARY})
endif()
