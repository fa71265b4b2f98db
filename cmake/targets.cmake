# SPDX-License-Identifier: BSL-1.0
#
# The libraries: corolock::corolock (the core, standard library only) and corolock::asio (the front
# end for Boost.Asio). Both are header-only. corolock::asio names Boost::headers, which is looked up
# here without being required: only a target that links corolock::asio needs it.

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
