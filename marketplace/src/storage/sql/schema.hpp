// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

#include "connection.hpp"
#include "dialect.hpp"

namespace marketplace::sql {

/// Creates what a database lacks, in one transaction. Throws error, and leaves the database as it
/// was: also if a newer program made it.
boost::asio::awaitable<void> migrate(connection& database, const dialect& words);

}  // namespace marketplace::sql
