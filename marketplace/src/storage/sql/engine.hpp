// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// The connections, the threads and the queue of a catalog in a database.

#include "write_queue.hpp"
#include <corolock/asio/acquire.hpp>
#include <corolock/asio/wait.hpp>
#include <corolock/async_semaphore.hpp>
#include <marketplace/sql_catalog.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace marketplace {

/// A completion token: the operation is awaited to its end, whatever is cancelled.
inline auto uncancelled() {
  return boost::asio::bind_cancellation_slot(boost::asio::cancellation_slot(),
                                             boost::asio::use_awaitable);
}

class sql_catalog::engine {
 public:
  using connection = sql::connection;
  using semaphore = corolock::async_semaphore;

  struct parts {
    const sql::dialect* words = nullptr;
    std::unique_ptr<connection> writer;
    std::vector<std::unique_ptr<connection>> readers;
    std::size_t reader_threads = 1;
    bool look_up_here =
        false;  // a connection never waits: a look-up costs less than waking a thread
    storage_observer observer;
  };

  /// Creates or migrates the database, and starts. Throws sql::error.
  explicit engine(parts with);
  virtual ~engine();
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;

  /// Runs `body` on a connection of its own, on the readers' threads.
  template <class T>
  sql::outcome<T> read(std::string_view operation,
                       std::function<sql::outcome<T>(sql::transaction&)> body) {
    const auto asked = std::chrono::steady_clock::now();
    auto permit = co_await corolock::async_acquire(free_readers_, 1, boost::asio::use_awaitable);
    const auto begun = std::chrono::steady_clock::now();
    auto reading = read_on<T>(lease(*this, std::move(permit)), std::move(body));
    auto answer =
        co_await boost::asio::co_spawn(reader_threads_, std::move(reading), uncancelled());
    if (observer_) {
      observer_(operation, begun - asked, std::chrono::steady_clock::now() - begun);
    }
    co_return answer;
  }

  /// As read(), for a body that finds a few rows by their keys.
  template <class T>
  sql::outcome<T> look_up(std::string_view operation,
                          std::function<sql::outcome<T>(sql::transaction&)> body) {
    auto permit = look_up_here_ ? free_readers_.try_acquire() : semaphore::guard_type();
    if (!permit) {
      co_return co_await read<T>(operation, std::move(body));
    }
    const auto begun = std::chrono::steady_clock::now();
    auto answer = co_await read_on<T>(lease(*this, std::move(permit)), std::move(body));
    if (observer_) {
      observer_(operation, {}, std::chrono::steady_clock::now() - begun);
    }
    co_return answer;
  }

  /// Runs `body` in a transaction; what it wrote is taken back if it throws, or says so
  /// (transaction::is_to_be_taken_back()).
  template <class T>
  sql::outcome<T> write(std::string_view operation,
                        std::function<sql::outcome<T>(sql::transaction&)> body) {
    auto job = std::make_shared<sql::answered_job<T>>(operation, std::move(body));
    if (!queue_.push(job)) {
      co_return repository_error::unavailable("the storage is closed");
    }
    co_await corolock::async_wait(job->done(), uncancelled());
    co_return job->take_answer();
  }

  virtual void on_change(std::function<void()> told) { queue_.on_change(std::move(told)); }
  boost::asio::awaitable<void> close() {
    queue_.close();
    co_await corolock::async_wait(queue_.finished(), uncancelled());
  }

 protected:
  /// Writes what is asked for, and waits for the threads. For destructors.
  void finish();

  boost::asio::thread_pool writer_thread_;
  boost::asio::thread_pool reader_threads_;

 private:
  // A reader that nobody else has. It comes back when the read is done, whoever still waits for it.
  class lease {
   public:
    lease(engine& from, semaphore::guard_type permit)
        : engine_(&from), permit_(std::move(permit)), reader_(from.take_reader()) {}
    lease(lease&&) noexcept = default;
    lease& operator=(lease&&) = delete;
    ~lease() {
      if (reader_) {
        engine_->give_back(std::move(reader_));
      }
    }
    connection& operator*() const noexcept { return *reader_; }

   private:
    engine* engine_;
    semaphore::guard_type permit_;  // given back after the reader
    std::unique_ptr<connection> reader_;
  };

  template <class T>
  sql::outcome<T> read_on(lease reader, std::function<sql::outcome<T>(sql::transaction&)> body) {
    std::string failure;
    try {
      co_await (*reader).connect();
      sql::transaction statements(*reader, words_);
      auto answer = co_await body(statements);
      co_return answer;
    } catch (const std::exception& e) {
      failure = e.what();
    }
    // By name: a T may be made of a repository_error, too.
    co_return repository_result<T>(boost::system::in_place_error,
                                   repository_error::unavailable(std::move(failure)));
  }
  std::unique_ptr<connection> take_reader();
  void give_back(std::unique_ptr<connection> reader) noexcept;

  const sql::dialect& words_;
  const bool look_up_here_;
  const storage_observer observer_;
  sql::write_queue queue_;
  semaphore free_readers_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<connection>> readers_;
};

}  // namespace marketplace
