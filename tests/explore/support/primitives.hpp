// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// What the explorations of the primitives share.
//
//   expect_verified(result)    every trace was explored, none twice, and none failed
//   faults(c, d, e)            options: so many stops, destructions, exceptions
//   occupancy                  how many tasks are inside, and that it is never more than allowed
//   arrivals                   that grants come in the order of the requests

#include <corolock/explore.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <coroutine>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corolock_test {

namespace explore = corolock::explore;

// With timers, what was planned may turn out to be impossible: some runs are cut off.
inline void expect_verified_with_time(const explore::result& r) {
  EXPECT_EQ(r.verdict, explore::verdict::verified) << r;
  ::testing::Test::RecordProperty("traces", std::to_string(r.traces));
}

inline void expect_verified(const explore::result& r) {
  expect_verified_with_time(r);
  EXPECT_EQ(r.blocked, 0U);
}

// That the body fails in this way, and that the table shows what it is about: a line of one of its
// tasks that holds each of these texts, or a line of the wait-for graph.
inline void expect_failure(const explore::result& r, explore::failure_kind kind,
                           const std::vector<std::string_view>& texts) {
  ASSERT_TRUE(r.failure.has_value()) << r;
  EXPECT_EQ(r.failure->kind, kind) << r;
  const std::string all = r.text();
  for (const std::string_view text : texts) {
    EXPECT_NE(all.find(text), std::string::npos) << "'" << text << "' is not in\n" << all;
  }
}

inline explore::options faults(unsigned cancellations, unsigned destructions = 0,
                               unsigned exceptions = 0) {
  explore::options o;
  o.cancellations = cancellations;
  o.destructions = destructions;
  o.exceptions = exceptions;
  return o;
}

// How many are inside. It is recorded, so that an overlap is seen wherever it is possible.
class occupancy {
 public:
  occupancy(explore::world& w, std::string_view name)
      : world_(w), inside_(w.shared<int>(name, 0)) {}

  // From here on to the end of what it returns the task is inside.
  class [[nodiscard]] stay {
   public:
    stay(occupancy& of, int limit) : of_(of) {
      int& inside = of.inside_.use();
      ++inside;
      of.world_.require(inside <= limit, "no more are inside than may be");
    }
    stay(const stay&) = delete;
    stay& operator=(const stay&) = delete;
    ~stay() { --of_.inside_.use(); }

   private:
    occupancy& of_;
  };
  stay enter(int limit = 1) { return stay(*this, limit); }

  [[nodiscard]] int now() const { return inside_.get(); }

 private:
  explore::world& world_;
  explore::shared<int>& inside_;
};

// In which order tasks asked, and in which they were granted. Both are seen where they happen: the
// request inside of await_suspend, the grant where the task is posted to its executor.
class arrivals {
 public:
  // The executor of one task, by which it waits: co_await me.ask(m.async_lock().on(me)).
  class party {
   public:
    party(arrivals& of, unsigned number)
        : of_(&of), number_(number), actor_(&explore::detail::current_run->current()) {}

    void post(corolock::resumption r) noexcept {
      of_->granted_.push_back(number_);
      explore::detail::current_run->post(*actor_, r);
    }

    template <class Awaiter>
    class request {
     public:
      request(party& of, Awaiter& awaiter) : party_(of), awaiter_(awaiter) {}

      [[nodiscard]] bool await_ready() const noexcept { return false; }
      template <class Promise>
      bool await_suspend(std::coroutine_handle<Promise> h) noexcept {
        party_.of_->asked_.push_back(party_.number_);
        if (awaiter_.await_suspend(h)) {
          return true;
        }
        party_.of_->granted_.push_back(party_.number_);
        return false;
      }
      auto await_resume() noexcept { return awaiter_.await_resume(); }

     private:
      party& party_;
      Awaiter& awaiter_;
    };
    template <class Awaiter>
    request<Awaiter> ask(Awaiter&& awaiter) {
      static_assert(!std::is_lvalue_reference_v<Awaiter>);
      return request<Awaiter>(*this, awaiter);
    }

    // The wait ended without a grant.
    void withdraw() noexcept {
      std::erase(of_->asked_, number_);
      std::erase(of_->granted_, number_);
    }

   private:
    arrivals* of_;
    unsigned number_;
    explore::detail::actor* actor_;
  };

  [[nodiscard]] bool in_order() const { return asked_ == granted_; }
  [[nodiscard]] const std::vector<unsigned>& granted() const { return granted_; }

 private:
  std::vector<unsigned> asked_;
  std::vector<unsigned> granted_;
};

}  // namespace corolock_test
