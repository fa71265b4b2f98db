// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The catalog in one file.

#include <marketplace/sql_catalog.hpp>

#include <memory>
#include <string>

namespace marketplace {

/// A catalog in an SQLite file (in WAL mode: there are two more files beside it while it is open).
/// What was answered is on the disk. A full or failing disk makes writes unavailable, with the
/// reason; reads go on.
class sqlite_catalog final : public sql_catalog {
 public:
  /// Creates the file, or migrates it. Throws std::runtime_error if it cannot be opened or written
  /// to, is no database, another program's or corrupt, or of a newer version than this program
  /// knows; then the file is as it was.
  explicit sqlite_catalog(const std::string& file, storage_observer observer = nullptr);

 private:
  static std::unique_ptr<engine> make_engine(const std::string& file, storage_observer observer);
};

/// Copies a database, as it is at one moment, while others use it. `to` must not exist; it appears
/// when it is complete. Throws std::runtime_error.
void backup_sqlite(const std::string& from, const std::string& to);

}  // namespace marketplace
