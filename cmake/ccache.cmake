# SPDX-License-Identifier: BSL-1.0
#
# With COROLOCK_CCACHE, which the presets set, compilers run through ccache where it is installed.
# A precompiled header hides its includes from ccache unless it is told to trust the header's
# contents, and clang's records its time of creation unless it is told not to.

option(COROLOCK_CCACHE "Compile through ccache when it is installed" OFF)

if(COROLOCK_CCACHE)
  find_program(COROLOCK_CCACHE_PROGRAM ccache)
  mark_as_advanced(COROLOCK_CCACHE_PROGRAM)
  if(COROLOCK_CCACHE_PROGRAM)
    set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND}" -E env "CCACHE_SLOPPINESS=pch_defines,time_macros"
      "${COROLOCK_CCACHE_PROGRAM}")
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      add_compile_options(-fpch-preprocess)
    endif()
  endif()
endif()
