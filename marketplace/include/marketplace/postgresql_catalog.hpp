// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The catalog that several processes share, on several machines.

#include <marketplace/sql_catalog.hpp>

#include <memory>
#include <string>

namespace marketplace {

/// A catalog in a PostgreSQL database (15 or newer). Writing transactions take turns, whichever
/// process they are of, by an advisory lock; the database's unique indexes decide who holds what.
/// on_change() tells of the changes of other processes, too.
///
/// While the server is away, calls are unavailable, with the reason; each of them tries to connect
/// again. A write that was being committed when the server went away may or may not have happened.
class postgresql_catalog final : public sql_catalog {
 public:
  /// `url`: postgresql://user:password@host:port/database?..., or what else libpq takes. Creates
  /// the tables, or migrates them. Throws std::runtime_error if the database cannot be reached or
  /// is of a newer version than this program knows.
  explicit postgresql_catalog(const std::string& url, storage_observer observer = nullptr);

 private:
  class listening_engine;
  static std::unique_ptr<engine> make_engine(const std::string& url, storage_observer observer);
};

}  // namespace marketplace
