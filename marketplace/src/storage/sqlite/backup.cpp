// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "connection.hpp"
#include <marketplace/sqlite_catalog.hpp>

#include <filesystem>
#include <system_error>

namespace marketplace {
namespace {

namespace fs = std::filesystem;

// As it is at one moment: a single step, during which others read and write.
void copy(sqlite3* from, const std::string& from_file, sqlite3* to, const std::string& to_file) {
  sqlite3_backup* backup = sqlite3_backup_init(to, "main", from, "main");
  if (backup == nullptr) {
    throw std::runtime_error(sqlite::what_is_wrong(to, to_file));
  }
  const int stepped = sqlite3_backup_step(backup, -1);
  if (sqlite3_backup_finish(backup) != SQLITE_OK) {
    throw std::runtime_error(sqlite::what_is_wrong(to, to_file));
  }
  if (stepped != SQLITE_DONE) {
    throw std::runtime_error(from_file + ": " + sqlite3_errstr(stepped));
  }
  // One file, not three: the copy is not in use.
  if (sqlite3_exec(to, "PRAGMA journal_mode = DELETE", nullptr, nullptr, nullptr) != SQLITE_OK) {
    throw std::runtime_error(sqlite::what_is_wrong(to, to_file));
  }
}

}  // namespace

void backup_sqlite(const std::string& from, const std::string& to) {
  const std::string unfinished = to + ".unfinished";
  if (fs::exists(to)) {
    throw std::runtime_error(to + ": there is a file already");
  }
  const auto source = sqlite::open(from, SQLITE_OPEN_READWRITE);
  sqlite3_busy_timeout(source.get(), 5000);
  std::error_code ignored;
  fs::remove(unfinished, ignored);
  try {
    const auto target = sqlite::open(unfinished, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    copy(source.get(), from, target.get(), unfinished);
  } catch (...) {
    fs::remove(unfinished, ignored);
    throw;
  }
  fs::rename(unfinished, to);
}

}  // namespace marketplace
