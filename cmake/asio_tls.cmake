# SPDX-License-Identifier: BSL-1.0
#
# The compiled part of Asio's TLS, looked up and compiled once for all folders that link it: Asio
# itself is compiled once too (cmake/development.cmake).

include_guard(GLOBAL)
find_package(OpenSSL REQUIRED)
set_target_properties(OpenSSL::SSL OpenSSL::Crypto PROPERTIES IMPORTED_GLOBAL TRUE)

add_library(corolock_asio_tls STATIC EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/cmake/asio_tls.cpp")
target_link_libraries(corolock_asio_tls PUBLIC corolock_asio_compiled OpenSSL::SSL)
