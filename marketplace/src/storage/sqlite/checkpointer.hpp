// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// checkpointer: copies committed pages from the write-ahead log into the database, on a thread of
// its own.
//
// The pages of a large database lie far apart: copying some thousands takes the disk tens of
// milliseconds, and whoever commits would wait. So SQLite's own checkpoints, in the thread that
// commits, are off, and this goes round:
//
//   idle ---- a commit finds the log long ----> wanted ---- the thread takes it up ----> copying
//    ^                                                                                      |
//    +---- the next commit copies the rest <---- copied <---- what the log had is copied ---+
//
// The rest is what was committed meanwhile: few pages. The writer copies it because the log begins
// anew only when all of it is copied at a moment when nobody writes.
//
// Who may touch what: `state_` is shared, under `mutex_`; the thread has a connection of its own,
// and the writer's is used by who commits only. While one copies the other is told SQLITE_BUSY at
// once, and goes on. An error is no harm to what was committed: the log stays longer, and the next
// round tries again.

#include "connection.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace marketplace::sqlite {

class checkpointer {
 public:
  /// For the connection of the writer, which outlives it.
  checkpointer(sqlite3* writer, const std::string& file);
  checkpointer(const checkpointer&) = delete;
  checkpointer& operator=(const checkpointer&) = delete;
  ~checkpointer();

 private:
  enum class state { idle, wanted, copying, copied };

  static int committed(void* self, sqlite3* writer, const char* name, int pages);
  [[nodiscard]] bool is_rest_left(int pages);
  void run(const std::stop_token& stop);

  sqlite3* const writer_;
  const handle database_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  state state_ = state::idle;
  std::jthread thread_;
};

}  // namespace marketplace::sqlite
