// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The examples of docs/reference on plain coroutines.

#include <corolock/corolock.hpp>

#include <chrono>
#include <coroutine>
#include <cstdio>
#include <deque>
#include <exception>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct task {
  struct promise_type {
    task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

// [async_keyed_mutex]
using accounts = std::map<std::string, int>;
using account_locks = corolock::async_keyed_mutex<std::string>;

task pay(account_locks& locks, accounts& money, std::string from, std::string to, int amount) {
  const std::vector<std::string> both{from, to};  // in any order: they are sorted
  auto guard = co_await locks.async_lock_all(both);
  money[from] -= amount;
  money[to] += amount;
}
// [/async_keyed_mutex]

void use_async_keyed_mutex() {
  account_locks locks;
  accounts money{{"ada", 10}, {"bob", 10}, {"eve", 10}};
  {
    auto guard = locks.try_lock("bob");
    pay(locks, money, "bob", "ada", 5);  // waits for bob
    pay(locks, money, "eve", "eve", 5);  // does not
    std::printf("async_keyed_mutex: %zu entries, then ", locks.size());
  }
  std::printf("%zu; ada has %d\n", locks.size(), money["ada"]);
}

// A clock that an example moves by hand.
struct hand_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<hand_clock>;
  [[maybe_unused]] static constexpr bool is_steady = true;
  static time_point now() noexcept { return time_point(elapsed); }
  static inline duration elapsed{0};
};

// [rate_limiter]
using limiter = corolock::rate_limiter<hand_clock>;  // usually rate_limiter<>: the steady clock

task send(limiter& limit, int id) {
  co_await limit.async_acquire();
  std::printf(" %d", id);
}

void send_three() {
  limiter limit(10, 1s, 2);  // 10 per second, 2 at once after a pause
  std::printf("rate_limiter: at once");
  for (int id = 1; id <= 3; ++id) {
    send(limit, id);
  }
  while (auto due = limit.release_due()) {          // nullopt: nobody waits any more
    hand_clock::elapsed = due->time_since_epoch();  // in your program: sleep until *due
    std::printf(", after 100 ms");
  }
  std::printf("\n");
}
// [/rate_limiter]

// [guarded]
using user_map = std::map<int, std::string>;

task add_user(corolock::guarded<user_map>& users, int id, std::string name) {
  auto locked = co_await users.async_lock();
  locked->emplace(id, std::move(name));
}
// [/guarded]

void use_guarded() {
  corolock::guarded<user_map> users;
  add_user(users, 1, "Ada");
  std::printf("guarded: %zu user\n", users.try_lock()->size());
}

// [diagnostics]
using watched_mutex = corolock::basic_async_mutex<corolock::multi_threaded, corolock::diagnostics>;

task hold(watched_mutex& mutex) {
  auto guard = co_await mutex.async_lock();
  const auto& seen = mutex.diagnostics();
  std::printf("%s is held since line %u\n", seen.name().c_str(),
              static_cast<unsigned>(seen.owner().line()));
}

void watch() {
  watched_mutex users("users");
  hold(users);
  const corolock::mutex_statistics now = users.statistics();
  std::printf("locked: %d, waiters: %zu, grants so far: %zu\n", now.locked, now.waiters,
              static_cast<std::size_t>(users.diagnostics().waits().total()));
}
// [/diagnostics]

// [outcome]
task wait_or_stop(corolock::async_mutex& mutex, std::stop_token token) {
  auto locked = co_await mutex.async_lock(token);
  if (!locked) {
    std::printf("outcome: %s\n", make_error_code(locked.error()).message().c_str());
    co_return;
  }
  corolock::mutex_guard guard = *std::move(locked);  // or keep the outcome: it owns the grant
  std::printf("outcome: a guard\n");
}
// [/outcome]

void use_outcome() {
  corolock::async_mutex mutex;
  std::stop_source source;
  {
    auto guard = mutex.try_lock();
    wait_or_stop(mutex, source.get_token());
    source.request_stop();
  }
  wait_or_stop(mutex, {});
}

// [executor]
struct run_loop {
  void post(corolock::resumption r) { ready.push_back(r); }  // never runs it here
  void run() {
    while (!ready.empty()) {
      const corolock::resumption next = ready.front();
      ready.pop_front();
      next();
    }
  }
  std::deque<corolock::resumption> ready;
};

task resumed_by(run_loop& loop, corolock::async_mutex& mutex) {
  auto guard = co_await mutex.async_lock().on(loop);
  std::printf("executor: in the loop\n");
}
// [/executor]

void use_executor() {
  run_loop loop;
  corolock::async_mutex mutex;
  auto guard = mutex.try_lock();
  resumed_by(loop, mutex);
  guard.unlock();  // posts, and returns
  std::printf("executor: unlocked\n");
  loop.run();
}

}  // namespace

int main() {
  use_async_keyed_mutex();
  send_three();
  use_guarded();
  watch();
  use_outcome();
  use_executor();
}
