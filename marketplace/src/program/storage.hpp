// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Which storage a text names.

#include <marketplace/catalog.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>
#include <string>

namespace marketplace {

/// "memory", "sqlite:FILE" or "postgresql://...". Creates and migrates the database.
/// Throws std::runtime_error that says what is wrong with which.
std::unique_ptr<catalog> open_storage(const std::string& storage, boost::asio::io_context& context,
                                      storage_observer observer);

/// The server of the locks that the processes on that storage share, as corolock::async_connect()
/// takes it. Where only one process has the storage, that is itself.
std::string locks_of(const std::string& storage);

}  // namespace marketplace
