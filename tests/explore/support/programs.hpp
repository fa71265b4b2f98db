// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Programs whose traces have been counted before, by hand or by other tools, as bodies of
// explore::check(). The counts are in counts.test.cpp; bench/explore runs some of them too.
//
//   textbook_lock    possible while it is free, nobody queues; acquire and release are steps
//   real_lock        the same over an async_mutex; the release is part of the step before it

#include <corolock/explore.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <stop_token>
#include <string_view>
#include <utility>
#include <vector>

namespace corolock_test {

namespace explore = corolock::explore;

// What the theory calls a lock. The search has rules for it that async_mutex never asks for.
class textbook_lock {
  using run = explore::detail::run;
  using actor = explore::detail::actor;
  using access_kind = explore::detail::access_kind;

 public:
  class acquire_operation {
   public:
    using explorer_operation_tag = void;
    explicit acquire_operation(textbook_lock& lock) noexcept : lock_(&lock) {}
    void announce(run& r, actor& a, std::source_location where) const noexcept {
      a.announce("acquire", r.object_of(lock_), where);
      a.announced_.add(a.object_, access_kind::acquire);
      a.enabled_ = [](void* lock) { return !static_cast<textbook_lock*>(lock)->held_; };
      a.enabled_context_ = lock_;
    }
    void result(run& r, actor& a, std::source_location where) const {
      lock_->held_ = true;
      r.taken(a, lock_, lock_, where);
    }

   private:
    textbook_lock* lock_;
  };

  class release_operation {
   public:
    using explorer_operation_tag = void;
    explicit release_operation(textbook_lock& lock) noexcept : lock_(&lock) {}
    void announce(run& r, actor& a, std::source_location where) const noexcept {
      a.announce("release", r.object_of(lock_), where);
      a.announced_.add(a.object_, access_kind::release);
    }
    void result(run& r, actor&, std::source_location) const {
      lock_->held_ = false;
      r.released(lock_);
    }

   private:
    textbook_lock* lock_;
  };

  acquire_operation acquire() noexcept { return acquire_operation(*this); }
  release_operation release() noexcept { return release_operation(*this); }

 private:
  bool held_ = false;
};

class real_lock {
 public:
  explore::task<> acquire() { guard_ = co_await mutex_.async_lock(); }
  explore::task<> release() {
    guard_.unlock();
    co_return;
  }

 private:
  corolock::async_mutex mutex_;
  corolock::mutex_guard guard_;  // its owner's
};

template <std::size_t Count>
using variables = std::array<explore::shared<int>*, Count>;

template <std::size_t Count>
variables<Count>& make_variables(explore::world& w, std::string_view name, std::size_t count) {
  auto& all = w.construct<variables<Count>>();
  for (std::size_t i = 0; i != count; ++i) {
    all[i] = &w.shared<int>(name, 0);
  }
  return all;
}

template <class Lock, std::size_t Count>
std::array<Lock*, Count>& make_locks(explore::world& w, std::string_view name, std::size_t count) {
  auto& all = w.construct<std::array<Lock*, Count>>();
  for (std::size_t i = 0; i != count; ++i) {
    all[i] = &w.make<Lock>(name);
  }
  return all;
}

// ------------------------------------------------------------------------------ shared variables

inline auto writers(unsigned n) {
  return [n](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    w.spawn_n("writer", n,
              [&x](unsigned i) -> explore::task<> { co_await x.write(static_cast<int>(i)); });
  };
}

inline auto independent_writers(unsigned n) {
  return [n](explore::world& w) {
    auto& x = make_variables<8>(w, "x", n);
    w.spawn_n("writer", n, [&x](unsigned i) -> explore::task<> { co_await x[i]->write(1); });
  };
}

// One writes, n read. With slots of their own they read their slot first.
inline auto readers(unsigned n, bool own_slot = false) {
  return [n, own_slot](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    auto& slots = make_variables<16>(w, "slot", n);
    w.spawn("writer", [&x]() -> explore::task<> { co_await x.write(1); });
    w.spawn_n("reader", n, [&x, &slots, own_slot](unsigned i) -> explore::task<> {
      if (own_slot) {
        co_await slots[i]->read();
      }
      co_await x.read();
    });
  };
}

// Tells what x was in the end, if somebody wants to know.
inline auto lost_update(unsigned n, int* last = nullptr, bool copies = false,
                        bool is_required = true) {
  return [n, last, copies, is_required](explore::world& w) {
    auto& x = w.shared<int>("x", 0);
    const auto task = [&x]() -> explore::task<> {
      const int now = co_await x.read();
      co_await x.write(now + 1);
    };
    if (copies) {
      w.spawn_n("adder", n, task);
    } else {
      for (unsigned i = 0; i != n; ++i) {
        w.spawn("adder", task);
      }
    }
    w.finally([&w, &x, n, last, is_required] {
      if (last != nullptr) {
        *last = x.value();
      }
      w.require(!is_required || x.value() == static_cast<int>(n), "every update counts");
    });
  };
}

// n tasks add to each of `count` variables in turn: ainc, binc, cinc.
inline auto fetch_adds(unsigned n, unsigned count) {
  return [n, count](explore::world& w) {
    auto& x = make_variables<4>(w, "x", count);
    w.spawn_n("adder", n, [&x, count](unsigned) -> explore::task<> {
      for (unsigned i = 0; i != count; ++i) {
        co_await x[i]->update([](int& value) { ++value; });
      }
    });
  };
}

// Of the paper on optimal DPOR: one looks for the last zero of an array, whose other elements n
// tasks set to one more than their neighbour.
inline auto lastzero(unsigned n) {
  return [n](explore::world& w) {
    auto& x = make_variables<17>(w, "x", n + 1);
    w.spawn("finder", [&x, n]() -> explore::task<> {
      for (unsigned i = n;; --i) {
        const int value = co_await x[i]->read();
        if (value == 0) {
          break;
        }
      }
    });
    w.spawn_n("setter", n, [&x](unsigned i) -> explore::task<> {
      const int before = co_await x[i]->read();
      co_await x[i + 1]->write(before + 1);
    });
  };
}

// Of Flanagan and Godefroid: each of n tasks enters four messages into a hash table.
inline auto indexer(unsigned n) {
  return [n](explore::world& w) {
    auto& table = make_variables<128>(w, "cell", 128);
    w.spawn_n("indexer", n, [&table](unsigned i) -> explore::task<> {
      for (int m = 1; m <= 4; ++m) {
        const int message = m * 11 + static_cast<int>(i);
        std::size_t cell = static_cast<std::size_t>(message) * 7 % 128;
        for (;;) {
          const bool entered = co_await table[cell]->update([message](int& value) {
            const bool is_free = value == 0;
            value = is_free ? message : value;
            return is_free;
          });
          if (entered) {
            break;
          }
          cell = (cell + 1) % 128;
        }
      }
    });
  };
}

// Of the paper on optimal DPOR: where source sets alone explore too much.
inline void optimal_example(explore::world& w) {
  auto& x = w.shared<int>("x", 0);
  auto& y = w.shared<int>("y", 0);
  auto& z = w.shared<int>("z", 0);
  w.spawn("p", [&]() -> explore::task<> { co_await x.write(1); });
  w.spawn("q", [&]() -> explore::task<> { co_await y.write(1); });
  w.spawn("r", [&]() -> explore::task<> {
    const int m = co_await y.read();
    if (m == 0) {
      co_await z.write(1);
    }
  });
  w.spawn("s", [&]() -> explore::task<> {
    const int n = co_await z.read();
    if (n == 1) {
      const int l = co_await y.read();
      if (l == 0) {
        co_await x.write(1);
      }
    }
  });
}

// Two tasks of two accesses each: 'R' or 'W', and of which variable.
struct litmus {
  std::string_view name;
  std::vector<std::string_view> tasks;  // "WxRy"
};

inline auto litmus_test(const litmus& test) {
  return [test](explore::world& w) {
    auto& x = make_variables<3>(w, "x", 3);
    for (const std::string_view accesses : test.tasks) {
      w.spawn("t", [&x, accesses]() -> explore::task<> {
        for (std::size_t i = 0; i != accesses.size(); i += 2) {
          auto& variable = *x[static_cast<std::size_t>(accesses[i + 1] - 'x')];
          if (accesses[i] == 'R') {
            co_await variable.read();
          } else {
            co_await variable.write(1);
          }
        }
      });
    }
  };
}

// ------------------------------------------------------------------------------------------ locks

template <class Lock>
auto lockinc(unsigned n, bool copies = false) {
  return [n, copies](explore::world& w) {
    auto& lock = w.make<Lock>("lock");
    auto& x = w.shared<int>("x", 0);
    const auto task = [&lock, &x]() -> explore::task<> {
      co_await lock.acquire();
      const int now = co_await x.read();
      co_await x.write(now + 1);
      co_await lock.release();
    };
    if (copies) {
      w.spawn_n("adder", n, task);
    } else {
      for (unsigned i = 0; i != n; ++i) {
        w.spawn("adder", task);
      }
    }
    w.finally([&w, &x, n] { w.require(x.value() == static_cast<int>(n), "every update counts"); });
  };
}

// The same as a user writes it.
inline auto guarded_increments(unsigned n) {
  return [n](explore::world& w) {
    auto& lock = w.make<corolock::async_mutex>("lock");
    auto& x = w.shared<int>("x", 0);
    for (unsigned i = 0; i != n; ++i) {
      w.spawn("adder", [&lock, &x]() -> explore::task<> {
        const corolock::mutex_guard guard = co_await lock.async_lock();
        const int now = co_await x.read();
        co_await x.write(now + 1);
      });
    }
    w.finally([&w, &x, n] { w.require(x.value() == static_cast<int>(n), "every update counts"); });
  };
}

template <class Lock>
auto private_locks(unsigned n) {
  return [n](explore::world& w) {
    auto& locks = make_locks<Lock, 4>(w, "lock", n);
    auto& x = make_variables<4>(w, "x", n);
    w.spawn_n("t", n, [&locks, &x](unsigned i) -> explore::task<> {
      co_await locks[i]->acquire();
      co_await x[i]->write(1);
      co_await locks[i]->release();
    });
  };
}

template <class Lock>
auto abba(bool gate) {
  return [gate](explore::world& w) {
    auto& locks = make_locks<Lock, 3>(w, "lock", 3);
    for (unsigned i = 0; i != 2; ++i) {
      w.spawn("t", [&locks, gate, i]() -> explore::task<> {
        if (gate) {
          co_await locks[2]->acquire();
        }
        co_await locks[i]->acquire();
        co_await locks[1 - i]->acquire();
        co_await locks[1 - i]->release();
        co_await locks[i]->release();
        if (gate) {
          co_await locks[2]->release();
        }
      });
    }
  };
}

// Each takes the fork at its left hand, then the other one; in order: the one with the lower number
// first.
template <class Lock>
auto philosophers(unsigned n, bool in_order) {
  return [n, in_order](explore::world& w) {
    auto& forks = make_locks<Lock, 10>(w, "fork", n);
    w.spawn_n("philosopher", n, [&forks, n, in_order](unsigned i) -> explore::task<> {
      unsigned first = i;
      unsigned second = (i + 1) % n;
      if (in_order && second < first) {
        std::swap(first, second);
      }
      co_await forks[first]->acquire();
      co_await forks[second]->acquire();
      co_await forks[second]->release();
      co_await forks[first]->release();
    });
  };
}

// ----------------------------------------------------------------------------------- cancellation

// Tasks that suspend so many times each, and may be asked to stop.
inline auto polls(unsigned one, unsigned other = 0) {
  return [one, other](explore::world& w) {
    for (const unsigned count : {one, other}) {
      if (count != 0) {
        w.spawn("t", [count](std::stop_token) -> explore::task<> {
          for (unsigned i = 0; i != count; ++i) {
            co_await explore::yield();
          }
        });
      }
    }
  };
}

}  // namespace corolock_test
