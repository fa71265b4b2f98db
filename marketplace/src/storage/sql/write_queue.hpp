// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// write_queue: one task writes at a time, and those that wait meanwhile share the next commit.

#include "transaction.hpp"
#include <corolock/async_event.hpp>
#include <marketplace/catalog.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace marketplace::sql {

/// Something to be written. It is answered when its done() is set.
class write_job {
 public:
  explicit write_job(std::string_view operation)
      : operation_(operation), queued_(std::chrono::steady_clock::now()) {}
  write_job(const write_job&) = delete;
  write_job& operator=(const write_job&) = delete;
  virtual ~write_job() = default;

  /// Whether what it did is to be kept. May be called again after a rollback.
  virtual boost::asio::awaitable<bool> run(transaction& in) = 0;
  virtual void fail(repository_error why) = 0;

  [[nodiscard]] std::string_view operation() const noexcept { return operation_; }
  [[nodiscard]] std::chrono::steady_clock::time_point queued() const noexcept { return queued_; }
  corolock::async_event& done() noexcept { return done_; }

 private:
  const std::string_view operation_;
  const std::chrono::steady_clock::time_point queued_;
  corolock::async_event done_;
};

/// A write_job with its answer.
template <class T>
class answered_job final : public write_job {
 public:
  using body = std::function<outcome<T>(transaction&)>;

  answered_job(std::string_view operation, body what)
      : write_job(operation), body_(std::move(what)) {}

  boost::asio::awaitable<bool> run(transaction& in) override {
    answer_ = co_await body_(in);
    co_return !in.is_to_be_taken_back();
  }
  void fail(repository_error why) override { answer_ = std::move(why); }
  /// Precondition: done() is set.
  repository_result<T> take_answer() { return *std::move(answer_); }

 private:
  const body body_;
  std::optional<repository_result<T>> answer_;
};

/// Writes in the order of arrival, on one connection: while one transaction is being committed,
/// requests queue up, and the next transaction takes them all. One that fails takes nothing with
/// it: the transaction begins again with a savepoint for each, which costs as much as its pages and
/// is seldom needed. They are answered when the commit is durable.
///
/// A task that asked and went away takes nothing back: what has begun is written.
class write_queue {
 public:
  write_queue(std::unique_ptr<connection> database, const dialect& words,
              storage_observer observer);

  /// False when it is closed.
  bool push(std::shared_ptr<write_job> job);

  /// Writes what is asked for until it is closed and empty. To be started once, and never to be
  /// cancelled.
  boost::asio::awaitable<void> run();

  /// Takes no more. finished() is set when all that was asked for is written.
  void close();
  corolock::async_event& finished() noexcept { return finished_; }

  /// What is called after a commit with changes. To be set before the first push.
  void on_change(std::function<void()> told) { told_ = std::move(told); }

  [[nodiscard]] connection& database() noexcept { return *database_; }

 private:
  using batch = std::vector<std::shared_ptr<write_job>>;
  static constexpr std::size_t most_in_a_transaction = 512;

  batch next();
  boost::asio::awaitable<void> write(batch& jobs);
  boost::asio::awaitable<bool> write_in_a_transaction(batch& jobs);
  boost::asio::awaitable<void> begin();
  boost::asio::awaitable<std::optional<bool>> run_together(batch& jobs);
  boost::asio::awaitable<bool> run_apart(batch& jobs);
  boost::asio::awaitable<void> run_in_a_savepoint(write_job& job, transaction& in);

  const std::unique_ptr<connection> database_;
  const dialect& words_;
  const storage_observer observer_;
  std::function<void()> told_;

  // The event is set while there are jobs, or it is closed: it changes under the same mutex. (Set
  // after the mutex, it could be set for a job that was taken already, and the writer would take an
  // empty queue for a closed one.) set() runs nobody's code.
  std::mutex mutex_;
  batch waiting_;
  bool is_closed_ = false;
  corolock::async_event asked_;
  corolock::async_event finished_;
};

}  // namespace marketplace::sql
