// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "write_queue.hpp"

#include <corolock/asio/wait.hpp>

#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <iterator>

namespace marketplace::sql {

using boost::asio::awaitable;
using boost::asio::use_awaitable;
using std::chrono::steady_clock;

write_queue::write_queue(std::unique_ptr<connection> database, const dialect& words,
                         storage_observer observer)
    : database_(std::move(database)), words_(words), observer_(std::move(observer)) {}

bool write_queue::push(std::shared_ptr<write_job> job) {
  const std::lock_guard lock(mutex_);
  if (is_closed_) {
    return false;
  }
  waiting_.push_back(std::move(job));
  asked_.set();
  return true;
}

void write_queue::close() {
  const std::lock_guard lock(mutex_);
  is_closed_ = true;
  asked_.set();
}

write_queue::batch write_queue::next() {
  const std::lock_guard lock(mutex_);
  const auto size = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), most_in_a_transaction));
  batch jobs(std::make_move_iterator(waiting_.begin()),
             std::make_move_iterator(waiting_.begin() + size));
  waiting_.erase(waiting_.begin(), waiting_.begin() + size);
  if (waiting_.empty() && !is_closed_) {
    asked_.reset();
  }
  return jobs;
}

awaitable<void> write_queue::run() {
  for (;;) {
    co_await corolock::async_wait(asked_, use_awaitable);
    batch jobs = next();
    if (jobs.empty()) {  // so it is closed
      break;
    }
    co_await write(jobs);
  }
  finished_.set();
}

awaitable<void> write_queue::write(batch& jobs) {
  constexpr int most_attempts = 5;
  const auto begun = steady_clock::now();
  bool has_changes = false;
  for (int attempt = 1;; ++attempt) {
    std::optional<error> failure;
    try {
      has_changes = co_await write_in_a_transaction(jobs);
    } catch (const error& e) {
      failure = e;
    }
    if (!failure) {
      break;
    }
    if (failure->left() == error::what_is_left::transaction) {
      try {
        co_await database_->execute("ROLLBACK", values());
      } catch (const error&) {
        // There is nothing left to roll back.
      }
    }
    if (!failure->may_succeed_again() || attempt == most_attempts) {
      for (const auto& job : jobs) {
        job->fail(repository_error::unavailable(failure->what()));
      }
      break;
    }
  }
  const auto took = steady_clock::now() - begun;
  for (const auto& job : jobs) {
    if (observer_) {
      observer_(job->operation(), begun - job->queued(), took);
    }
    job->done().set();
  }
  if (has_changes && told_) {
    told_();
  }
}

// Returns whether there are changes to be told.
awaitable<bool> write_queue::write_in_a_transaction(batch& jobs) {
  co_await database_->connect();
  co_await begin();
  std::optional<bool> has_changes = co_await run_together(jobs);
  if (!has_changes) {
    co_await database_->execute("ROLLBACK", values());
    co_await begin();
    has_changes = co_await run_apart(jobs);
  }
  if (*has_changes && !words_.notify.empty()) {
    co_await database_->execute(words_.notify, values());
  }
  co_await database_->execute("COMMIT", values());
  co_return *has_changes;
}

awaitable<void> write_queue::begin() {
  for (const std::string_view statement : words_.begin) {
    co_await database_->execute(statement, values());
  }
}

// Returns nothing if one of them is to be taken back, with which all the others would go.
awaitable<std::optional<bool>> write_queue::run_together(batch& jobs) {
  transaction in(*database_, words_);
  for (const auto& job : jobs) {
    bool keep = false;
    try {
      keep = co_await job->run(in);
    } catch (const error& e) {
      if (e.left() != error::what_is_left::transaction || e.may_succeed_again()) {
        throw;
      }
    } catch (const std::exception&) {
      keep = false;  // run_apart() says why
    }
    if (!keep) {
      co_return std::nullopt;
    }
  }
  co_await in.finish();
  co_return in.has_changes();
}

awaitable<bool> write_queue::run_apart(batch& jobs) {
  bool has_changes = false;
  for (const auto& job : jobs) {
    transaction in(*database_, words_);
    co_await run_in_a_savepoint(*job, in);
    has_changes = has_changes || in.has_changes();
  }
  co_return has_changes;
}

awaitable<void> write_queue::run_in_a_savepoint(write_job& job, transaction& in) {
  co_await database_->execute("SAVEPOINT job", values());
  bool keep = false;
  std::optional<std::string> failure;
  try {
    keep = co_await job.run(in);
    if (keep) {
      co_await in.finish();
    }
  } catch (const error& e) {
    if (e.left() != error::what_is_left::transaction || e.may_succeed_again()) {
      throw;  // that is the end of the others, too
    }
    failure = e.what();
  } catch (const std::exception& e) {
    failure = e.what();
  }
  if (failure) {
    keep = false;
    job.fail(repository_error::unavailable(*std::move(failure)));
  }
  if (!keep) {
    co_await database_->execute("ROLLBACK TO job", values());
  }
  co_await database_->execute("RELEASE job", values());
}

}  // namespace marketplace::sql
