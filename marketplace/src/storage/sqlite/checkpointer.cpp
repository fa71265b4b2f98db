// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "checkpointer.hpp"

namespace marketplace::sqlite {
namespace {

// SQLite's own measure. More would be less work in all, but the disk would be busy with it longer.
constexpr int many_pages = 1000;

void copy(sqlite3* database) {
  sqlite3_wal_checkpoint_v2(database, "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

}  // namespace

checkpointer::checkpointer(sqlite3* writer, const std::string& file)
    : writer_(writer),
      database_(open(file, SQLITE_OPEN_READWRITE)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {
  sqlite3_wal_hook(writer_, &committed, this);
}

checkpointer::~checkpointer() {
  sqlite3_wal_hook(writer_, nullptr, nullptr);
}

int checkpointer::committed(void* self, sqlite3* writer, const char*, int pages) {
  if (static_cast<checkpointer*>(self)->is_rest_left(pages)) {
    copy(writer);
  }
  return SQLITE_OK;
}

bool checkpointer::is_rest_left(int pages) {
  const bool is_long = pages >= many_pages;
  const std::lock_guard hold(mutex_);
  if (state_ == state::copied) {
    state_ = state::idle;  // if it is short, there was no rest, and it has begun anew
    return is_long;
  }
  if (state_ == state::idle && is_long) {
    state_ = state::wanted;
    changed_.notify_one();
  }
  return false;
}

void checkpointer::run(const std::stop_token& stop) {
  std::unique_lock hold(mutex_);
  while (changed_.wait(hold, stop, [this] { return state_ == state::wanted; })) {
    state_ = state::copying;
    hold.unlock();
    copy(database_.get());
    copy(database_.get());  // what was committed meanwhile, so that less is left for the writer
    hold.lock();
    state_ = state::copied;
  }
}

}  // namespace marketplace::sqlite
