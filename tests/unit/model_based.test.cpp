// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Random sequences of arrivals, releases, stops and destructions, each step compared with a model:
// a std::deque of those that wait, a number of free units, and the two lists of those that were
// woken but have not run. The mutex is the case of one unit.
//
// Waits come in four kinds: with and without an executor, with and without a stop token. Some
// steps are taken inside a task that runs on the trampoline, so that what they grant is listed.

#include <corolock/async_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <support/manual_executor.hpp>
#include <support/policies.hpp>
#include <support/task.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using corolock_test::manual_executor;
using corolock_test::started;
using corolock_test::task;

namespace {

constexpr unsigned seeds = 300;
constexpr int steps = 1000;

template <class Threading>
struct mutex_subject {
  using primitive = corolock::basic_async_mutex<Threading>;
  using grant = typename primitive::guard_type;
  static constexpr std::size_t capacity = 1;

  static auto acquire(primitive& p, std::size_t) { return p.async_lock(); }
  static auto acquire(primitive& p, std::size_t, std::stop_token token) {
    return p.async_lock(std::move(token));
  }
  static grant try_acquire(primitive& p, std::size_t) { return p.try_lock(); }
  static std::optional<grant> grant_of(grant g) { return g; }
  static std::optional<grant> grant_of(corolock::outcome<grant> o) {
    return o ? std::optional<grant>(*std::move(o)) : std::nullopt;
  }
  static std::size_t available(const primitive& p) { return p.is_locked() ? 0 : 1; }

  primitive p;
};

template <class Threading>
struct semaphore_subject {
  using primitive = corolock::basic_async_semaphore<Threading>;
  using grant = typename primitive::guard_type;
  static constexpr std::size_t capacity = 4;

  static auto acquire(primitive& p, std::size_t units) { return p.async_acquire(units); }
  static auto acquire(primitive& p, std::size_t units, std::stop_token token) {
    return p.async_acquire(units, std::move(token));
  }
  static grant try_acquire(primitive& p, std::size_t units) { return p.try_acquire(units); }
  static std::optional<grant> grant_of(corolock::outcome<grant> o) {
    return o ? std::optional<grant>(*std::move(o)) : std::nullopt;
  }
  static std::size_t available(const primitive& p) { return p.statistics().available; }

  primitive p{capacity, capacity};
};

template <class Subject>
class model_test {
 public:
  explicit model_test(unsigned seed) : random_(seed) {}

  void run() {
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
      if (pick(8) == 0) {
        run_on_trampoline(pick(6) + 1);
      } else {
        step();
      }
      compare();
    }
    finish();
  }

 private:
  using primitive = typename Subject::primitive;
  using grant = typename Subject::grant;
  using result = std::optional<grant>;

  enum class state { queued, granted, stopped, owns, ended };

  struct wait {
    state now = state::queued;
    std::size_t units = 1;
    bool has_executor = false;
    std::stop_source stop{std::nostopstate};
    task<result> t;
  };

  static task<result> acquire(primitive& p, std::size_t units) {
    result r = Subject::grant_of(co_await Subject::acquire(p, units));
    co_return r;
  }
  static task<result> acquire(primitive& p, std::size_t units, std::stop_token token) {
    result r = Subject::grant_of(co_await Subject::acquire(p, units, std::move(token)));
    co_return r;
  }
  static task<result> acquire_on(primitive& p, manual_executor& e, std::size_t units) {
    result r = Subject::grant_of(co_await Subject::acquire(p, units).on(e));
    co_return r;
  }
  static task<result> acquire_on(primitive& p, manual_executor& e, std::size_t units,
                                 std::stop_token token) {
    result r = Subject::grant_of(co_await Subject::acquire(p, units, std::move(token)).on(e));
    co_return r;
  }

  unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

  // ------------------------------------------------------------------------------ the model

  // The first waiters, as many as there are enough units for, are granted.
  void admit() {
    while (!queue_.empty() && waits_[queue_.front()].units <= available_) {
      const std::size_t id = queue_.front();
      queue_.pop_front();
      available_ -= waits_[id].units;
      waits_[id].now = state::granted;
      wake(id);
    }
  }
  void wake(std::size_t id) { (waits_[id].has_executor ? posted_ : listed_).push_back(id); }

  // The task of a woken waiter runs.
  void has_run(std::size_t id) {
    state& now = waits_[id].now;
    now = now == state::granted ? state::owns : state::ended;
  }
  // Outside of the trampoline, whoever is woken without an executor has run when the step is over.
  void settle() {
    if (!on_trampoline_) {
      for (const std::size_t id : listed_) {
        has_run(id);
      }
      listed_.clear();
    }
  }

  // --------------------------------------------------------------------------------- steps

  void step() {
    switch (pick(7)) {
      case 0:
      case 1: arrive(); break;
      case 2: release(); break;
      case 3: stop(); break;
      case 4: destroy(); break;
      case 5: run_one(); break;
      default: try_acquire(); break;
    }
    settle();
  }

  void arrive() {
    const std::size_t id = waits_.size();
    wait& w = waits_.emplace_back();
    w.units = pick(Subject::capacity) + 1;
    w.has_executor = pick(2) == 0;
    const bool stoppable = pick(2) == 0;
    if (stoppable) {
      w.stop = std::stop_source();
    }
    const bool at_once = queue_.empty() && w.units <= available_;
    if (at_once) {
      available_ -= w.units;
      w.now = state::owns;
    } else {
      queue_.push_back(id);
    }
    if (w.has_executor) {
      w.t = stoppable ? acquire_on(s_.p, executor_, w.units, w.stop.get_token())
                      : acquire_on(s_.p, executor_, w.units);
    } else {
      w.t = stoppable ? acquire(s_.p, w.units, w.stop.get_token()) : acquire(s_.p, w.units);
    }
    w.t.start();
  }

  void release() {
    if (const auto id = any([](const wait& w) { return w.now == state::owns; })) {
      wait& w = waits_[*id];
      result r = w.t.result();
      EXPECT_TRUE(r.has_value());
      w.now = state::ended;
      available_ += w.units;
      admit();
      r.reset();
    }
  }

  void stop() {
    if (const auto id = any([](const wait& w) { return w.stop.stop_possible(); })) {
      wait& w = waits_[*id];
      if (w.now == state::queued) {
        std::erase(queue_, *id);
        w.now = state::stopped;
        wake(*id);
        admit();
      } else if (w.now == state::granted) {
        w.now = state::stopped;
        available_ += w.units;
        admit();
      }
      w.stop.request_stop();
      w.stop = std::stop_source(std::nostopstate);
    }
  }

  void destroy() {
    if (const auto id = any([](const wait& w) { return static_cast<bool>(w.t); })) {
      wait& w = waits_[*id];
      const state before = w.now;
      w.now = state::ended;
      std::erase(queue_, *id);
      std::erase(listed_, *id);
      std::erase(posted_, *id);
      if (before == state::granted || before == state::owns) {
        available_ += w.units;
      }
      admit();
      executor_.drop(w.t.address());
      w.t.destroy();
    }
  }

  void run_one() {
    if (!posted_.empty()) {
      const std::size_t id = posted_.front();
      posted_.pop_front();
      has_run(id);
    }
    executor_.run_one();
  }

  void try_acquire() {
    const std::size_t units = pick(Subject::capacity) + 1;
    grant g = Subject::try_acquire(s_.p, units);
    EXPECT_EQ(static_cast<bool>(g), queue_.empty() && units <= available_);
  }

  // A few steps inside a task that another mutex's unlock has resumed.
  void run_on_trampoline(unsigned count) {
    auto guard = outer_.try_lock();
    auto inner = [](auto& m, model_test& self, unsigned many) -> task<> {
      const auto g = co_await m.async_lock();
      self.on_trampoline_ = true;
      for (unsigned i = 0; i < many; ++i) {
        self.step();
      }
      self.on_trampoline_ = false;
    };
    const auto t = started(inner(outer_, *this, count));
    guard.unlock();
    EXPECT_TRUE(t.done());
    settle();
  }

  // ----------------------------------------------------------------------------- comparing

  void compare() {
    EXPECT_EQ(Subject::available(s_.p), available_);
    EXPECT_EQ(s_.p.statistics().waiters, queue_.size());
    EXPECT_EQ(executor_.size(), posted_.size());
    for (const wait& w : waits_) {
      if (w.t) {
        EXPECT_EQ(w.t.done(), w.now == state::owns || w.now == state::ended);
      }
    }
  }

  void finish() {
    for (wait& w : waits_) {
      executor_.drop(w.t ? w.t.address() : nullptr);
      w.t.destroy();
    }
    EXPECT_EQ(Subject::available(s_.p), Subject::capacity);
    EXPECT_EQ(s_.p.statistics().waiters, 0U);
  }

  template <class Condition>
  std::optional<std::size_t> any(Condition condition) {
    // Those that are long gone need not be asked.
    std::vector<std::size_t> found;
    for (std::size_t id = 0; id < waits_.size(); ++id) {
      if (condition(waits_[id])) {
        found.push_back(id);
      }
    }
    if (found.empty()) {
      return std::nullopt;
    }
    return found[pick(static_cast<unsigned>(found.size()))];
  }

  std::minstd_rand random_;
  manual_executor executor_;
  corolock::local_async_mutex outer_;
  Subject s_;

  std::deque<wait> waits_;
  std::size_t available_ = Subject::capacity;
  std::deque<std::size_t> queue_;
  std::deque<std::size_t> posted_;
  std::deque<std::size_t> listed_;
  bool on_trampoline_ = false;
};

}  // namespace

template <class Threading>
class ModelBased : public testing::Test {};
TYPED_TEST_SUITE(ModelBased, corolock_test::policies, corolock_test::policy_names);

TYPED_TEST(ModelBased, AMutexDoesWhatADequeOfWaitersDoes) {
  for (unsigned seed = 1; seed <= seeds && !this->HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    model_test<mutex_subject<TypeParam>>(seed).run();
  }
}

TYPED_TEST(ModelBased, ASemaphoreDoesWhatADequeOfWaitersDoes) {
  for (unsigned seed = 1; seed <= seeds && !this->HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    model_test<semaphore_subject<TypeParam>>(seed).run();
  }
}
