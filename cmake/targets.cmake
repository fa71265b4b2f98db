# SPDX-License-Identifier: BSL-1.0
#
# The libraries: corolock::corolock (the core, standard library only), corolock::asio (the front end
# for Boost.Asio), both header-only, and corolock::explore (the schedule explorer), which is compiled.
# corolock::asio names Boost::headers, which is looked up here without being required: only a target
# that links corolock::asio needs it.

set(COROLOCK_BOOST_VERSION 1.81)

find_package(Threads REQUIRED GLOBAL)
find_package(Boost ${COROLOCK_BOOST_VERSION} QUIET GLOBAL)

set(corolock_include "${PROJECT_SOURCE_DIR}/include")

file(GLOB corolock_core_headers CONFIGURE_DEPENDS
  "${corolock_include}/corolock/*.hpp"
  "${corolock_include}/corolock/detail/*.hpp")
list(FILTER corolock_core_headers EXCLUDE REGEX "/corolock/(asio|explore|cluster)\\.hpp$")

file(GLOB_RECURSE corolock_asio_headers CONFIGURE_DEPENDS
  "${corolock_include}/corolock/asio/*.hpp")
if(EXISTS "${corolock_include}/corolock/asio.hpp")
  list(APPEND corolock_asio_headers "${corolock_include}/corolock/asio.hpp")
endif()

add_library(corolock INTERFACE)
add_library(corolock::corolock ALIAS corolock)
target_sources(corolock INTERFACE
  FILE_SET HEADERS BASE_DIRS "${corolock_include}" FILES ${corolock_core_headers})
target_compile_features(corolock INTERFACE cxx_std_20)
target_link_libraries(corolock INTERFACE Threads::Threads)

add_library(corolock_asio INTERFACE)
add_library(corolock::asio ALIAS corolock_asio)
set_target_properties(corolock_asio PROPERTIES EXPORT_NAME asio)
target_sources(corolock_asio INTERFACE
  FILE_SET HEADERS BASE_DIRS "${corolock_include}" FILES ${corolock_asio_headers})
target_link_libraries(corolock_asio INTERFACE corolock::corolock Boost::headers)

# What links it is explorer code: COROLOCK_EXPLORE puts all of corolock into its other namespace.
file(GLOB_RECURSE corolock_explore_headers CONFIGURE_DEPENDS
  "${corolock_include}/corolock/explore/*.hpp")
set(corolock_explore_asio_headers ${corolock_explore_headers})
list(FILTER corolock_explore_asio_headers INCLUDE REGEX "/explore/asio")
list(FILTER corolock_explore_headers EXCLUDE REGEX "/explore/asio")
file(GLOB corolock_explore_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/explore/*.cpp")
add_library(corolock_explore STATIC EXCLUDE_FROM_ALL ${corolock_explore_sources})
add_library(corolock::explore ALIAS corolock_explore)
set_target_properties(corolock_explore PROPERTIES EXPORT_NAME explore)
target_sources(corolock_explore PUBLIC
  FILE_SET HEADERS BASE_DIRS "${corolock_include}"
  FILES "${corolock_include}/corolock/explore.hpp" ${corolock_explore_headers})
target_compile_definitions(corolock_explore PUBLIC COROLOCK_EXPLORE)
target_link_libraries(corolock_explore PUBLIC corolock::corolock)

# The same for tasks of Boost.Asio (explore/asio.hpp).
add_library(corolock_explore_asio INTERFACE)
add_library(corolock::explore_asio ALIAS corolock_explore_asio)
target_sources(corolock_explore_asio INTERFACE
  FILE_SET HEADERS BASE_DIRS "${corolock_include}" FILES ${corolock_explore_asio_headers})
target_link_libraries(corolock_explore_asio INTERFACE corolock::explore corolock::asio)
