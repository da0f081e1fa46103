# Build type, compiler cache and linker: all optional, all found by themselves.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
# -g1 keeps backtraces and halves the time and size of a debug build.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(TRIVIUM_CCACHE ccache)
if(TRIVIUM_CCACHE)
  # Paths inside the checkout count as relative, so that every checkout and build folder shares one cache.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${TRIVIUM_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()
find_program(TRIVIUM_MOLD mold)
if(TRIVIUM_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
