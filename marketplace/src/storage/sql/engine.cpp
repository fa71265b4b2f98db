// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "engine.hpp"

#include "schema.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/use_future.hpp>

namespace marketplace {

namespace asio = boost::asio;

sql_catalog::engine::engine(parts with)
    : writer_thread_(1),
      reader_threads_(with.reader_threads),
      words_(*with.words),
      look_up_here_(with.look_up_here),
      observer_(with.observer),
      queue_(std::move(with.writer), words_, std::move(with.observer)),
      free_readers_(with.readers.size()),
      readers_(std::move(with.readers)) {
  auto migrated =
      asio::co_spawn(writer_thread_, sql::migrate(queue_.database(), words_), asio::use_future);
  migrated.get();
  asio::co_spawn(writer_thread_, queue_.run(), asio::detached);
}

sql_catalog::engine::~engine() {
  finish();
}

void sql_catalog::engine::finish() {
  queue_.close();
  writer_thread_.join();
  reader_threads_.join();
}

std::unique_ptr<sql_catalog::engine::connection> sql_catalog::engine::take_reader() {
  const std::lock_guard lock(mutex_);
  auto reader = std::move(readers_.back());
  readers_.pop_back();
  return reader;
}

void sql_catalog::engine::give_back(std::unique_ptr<connection> reader) noexcept {
  const std::lock_guard lock(mutex_);
  readers_.push_back(std::move(reader));  // within its capacity
}

}  // namespace marketplace
