# SPDX-License-Identifier: BSL-1.0
#
# Asio's TLS, looked up once for all folders that link it. In our own build Asio is compiled once
# (cmake/development.cmake), and this part of it too; in somebody else's both are headers only.

include_guard(GLOBAL)
find_package(OpenSSL REQUIRED GLOBAL)

if(TARGET corolock_asio_compiled)
  add_library(corolock_asio_tls STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/cmake/asio_tls.cpp")
  target_link_libraries(corolock_asio_tls PUBLIC corolock_asio_compiled OpenSSL::SSL)
else()
  add_library(corolock_asio_tls INTERFACE)
  target_link_libraries(corolock_asio_tls INTERFACE OpenSSL::SSL)
endif()
