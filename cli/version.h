// The version of this program; CMake gives the project's.
#pragma once

#ifndef TRIVIUM_VERSION
#error "TRIVIUM_VERSION comes from cli/CMakeLists.txt"
#endif
