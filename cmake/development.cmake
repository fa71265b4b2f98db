# SPDX-License-Identifier: BSL-1.0
#
# What only our own tests, examples, benchmarks and program use.

include(cmake/ccache.cmake)

if(PROJECT_IS_TOP_LEVEL)
  add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wpedantic)
endif()
# g++ 12 takes Asio's own operators new and delete of coroutine frames for a mismatch.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(-Wno-mismatched-new-delete)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# The scripts of the tests need nothing but Python's own library.
if(COROLOCK_BUILD_TESTS OR COROLOCK_BUILD_PYTHON)
  find_program(COROLOCK_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
  find_program(COROLOCK_PYTHON python3 REQUIRED)
  mark_as_advanced(COROLOCK_PYTHON)
endif()

if(NOT TARGET Boost::headers)
  message(FATAL_ERROR "corolock's tests, examples and program need Boost ${COROLOCK_BOOST_VERSION}")
endif()

# Boost.Asio compiled once. Linking this instead of using Asio header-only takes 0.5 s to 1.5 s off
# each of our translation units that includes Asio. Its precompiled header serves every test that
# includes Asio: target_precompile_headers(mine REUSE_FROM corolock_asio_compiled).
add_library(corolock_asio_compiled STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/cmake/asio.cpp")
target_compile_features(corolock_asio_compiled PUBLIC cxx_std_20)
target_compile_definitions(corolock_asio_compiled
  PUBLIC BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION)
target_link_libraries(corolock_asio_compiled PUBLIC Boost::headers Threads::Threads)

if(COROLOCK_BUILD_TESTS)
  include(cmake/testing.cmake)
  target_link_libraries(corolock_asio_compiled PRIVATE GTest::gtest)
  target_precompile_headers(corolock_asio_compiled
    PRIVATE "${PROJECT_SOURCE_DIR}/tests/asio/pch.hpp")
endif()
