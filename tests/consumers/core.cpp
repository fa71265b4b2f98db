// SPDX-License-Identifier: BSL-1.0

// A consumer of the core: a coroutine type of its own, and a lock.
#include <corolock/async_mutex.hpp>
#include <corolock/version.hpp>

#include <coroutine>
#include <exception>

static_assert(COROLOCK_VERSION_MAJOR == 0);

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

task add(corolock::async_mutex& mutex, int& sum, int value) {
  auto guard = co_await mutex.async_lock();
  sum += value;
}

}  // namespace

int main() {
  corolock::async_mutex mutex;
  int sum = 0;
  {
    const auto guard = mutex.try_lock();
    add(mutex, sum, 1);
    add(mutex, sum, 2);
    if (!guard || sum != 0) {
      return 1;
    }
  }
  return sum == 3 && !mutex.is_locked() ? 0 : 1;
}
