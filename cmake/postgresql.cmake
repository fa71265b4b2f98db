# SPDX-License-Identifier: BSL-1.0
#
# PostgreSQL's client library, looked up once for all folders that link it.

include_guard(GLOBAL)
find_package(PostgreSQL 15 REQUIRED GLOBAL)
