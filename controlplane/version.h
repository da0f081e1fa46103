// The version of this program; CMake gives the project's.
#pragma once

#ifndef TRIVIUM_VERSION
#error "TRIVIUM_VERSION comes from controlplane/app.cmake"
#endif

namespace trivium {

inline constexpr char kVersion[] = TRIVIUM_VERSION;

}  // namespace trivium
