// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Executors for tests: both satisfy corolock::executor.
//
//   manual_executor   runs what was posted when the test says so; for one thread
//   thread_executor   runs what was posted on a thread of its own

#include <corolock/detail/waiter.hpp>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace corolock_test {

class manual_executor {
 public:
  void post(corolock::resumption r) { posted_.push_back(r); }

  /// Runs the oldest resumption. False if there is none.
  bool run_one() {
    if (size() == 0) {
      return false;
    }
    const corolock::resumption next = posted_[first_++];
    if (size() == 0) {
      posted_.clear();
      first_ = 0;
    }
    next();
    return true;
  }
  /// Runs until nothing is posted any more. Returns how many resumptions it ran.
  std::size_t run_all() {
    std::size_t count = 0;
    while (run_one()) {
      ++count;
    }
    return count;
  }

  /// Forgets the resumption of the coroutine with that frame. False if it holds none.
  bool drop(const void* address) {
    for (std::size_t i = first_; i < posted_.size(); ++i) {
      if (posted_[i].address() == address) {
        posted_.erase(posted_.begin() + static_cast<std::ptrdiff_t>(i));
        return true;
      }
    }
    return false;
  }

  /// So many resumptions can be posted without an allocation.
  void reserve(std::size_t count) { posted_.reserve(count); }

  [[nodiscard]] std::size_t size() const noexcept { return posted_.size() - first_; }

 private:
  std::vector<corolock::resumption> posted_;
  std::size_t first_ = 0;  // those before it have run
};

class thread_executor {
 public:
  thread_executor() : thread_([this] { run(); }) {}
  thread_executor(const thread_executor&) = delete;
  thread_executor& operator=(const thread_executor&) = delete;
  ~thread_executor() { join(); }

  void post(corolock::resumption r) { push({r, nullptr}); }
  /// Runs a function on the thread, in its turn.
  void post(std::function<void()> function) { push({{}, std::move(function)}); }

  /// Forgets the resumption of the coroutine with that frame: for the thread itself, right after it
  /// destroyed that coroutine (the destruction waits for a post() that is under way). False if it
  /// holds none.
  bool drop(const void* address) {
    const std::lock_guard lock(mutex_);
    for (auto i = posted_.begin(); i != posted_.end(); ++i) {
      if (i->resume.address() == address && !i->function) {
        posted_.erase(i);
        return true;
      }
    }
    return false;
  }

  /// Runs all that was posted, and what that posts in its turn, then ends the thread.
  void join() {
    if (thread_.joinable()) {
      {
        const std::lock_guard lock(mutex_);
        finishing_ = true;
      }
      posted_one_.notify_one();
      thread_.join();
    }
  }

 private:
  struct item {
    corolock::resumption resume;
    std::function<void()> function;
  };

  void push(item next) {
    {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(next));
    }
    posted_one_.notify_one();
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      posted_one_.wait(lock, [this] { return finishing_ || !posted_.empty(); });
      if (posted_.empty()) {
        return;
      }
      const item next = std::move(posted_.front());
      posted_.pop_front();
      lock.unlock();
      if (next.function) {
        next.function();
      } else {
        next.resume();
      }
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable posted_one_;
  std::deque<item> posted_;
  bool finishing_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace corolock_test
