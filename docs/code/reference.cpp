// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The examples of docs/reference on Boost.Asio.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <chrono>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <variant>

namespace asio = boost::asio;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using namespace std::chrono_literals;

namespace {

// [async_mutex]
struct account {
  corolock::async_mutex mutex;
  int balance = 100;
};

awaitable<bool> withdraw(account& a, int amount) {
  auto guard = co_await corolock::async_lock(a.mutex, use_awaitable);
  if (a.balance < amount) {
    co_return false;  // the guard unlocks, here as on every way out
  }
  co_await asio::post(use_awaitable);  // the bank is asked; nobody else withdraws meanwhile
  a.balance -= amount;
  co_return true;
}
// [/async_mutex]

awaitable<void> use_async_mutex() {
  account a;
  const bool first = co_await withdraw(a, 70);
  const bool second = co_await withdraw(a, 70);
  std::printf("async_mutex: %d %d, %d left\n", first, second, a.balance);
}

// [async_shared_mutex]
struct configuration {
  corolock::async_shared_mutex mutex;
  std::string text = "old";
};

awaitable<std::string> read(configuration& c) {
  auto guard = co_await corolock::async_lock_shared(c.mutex, use_awaitable);
  co_await asio::post(use_awaitable);  // other readers may be here too
  co_return c.text;
}

awaitable<std::string> replace(configuration& c, std::string text) {
  auto writing = co_await corolock::async_lock(c.mutex, use_awaitable);
  c.text = std::move(text);
  auto reading = c.mutex.downgrade(std::move(writing));  // no other writer comes in between
  co_await asio::post(use_awaitable);
  co_return c.text;
}
// [/async_shared_mutex]

awaitable<void> use_async_shared_mutex() {
  configuration c;
  const std::string before = co_await read(c);
  const std::string after = co_await replace(c, "new");
  std::printf("async_shared_mutex: %s, %s\n", before.c_str(), after.c_str());
}

// [async_semaphore]
awaitable<void> fetch(corolock::async_semaphore& slots, int& running, int& most) {
  auto permit = co_await corolock::async_acquire(slots, 1, use_awaitable);
  most = std::max(most, ++running);
  co_await asio::post(use_awaitable);  // the request
  --running;
}  // the permit gives its unit back
// [/async_semaphore]

awaitable<void> use_async_semaphore() {
  using namespace asio::experimental::awaitable_operators;
  corolock::async_semaphore slots(2);
  int running = 0;
  int most = 0;
  co_await (fetch(slots, running, most) && fetch(slots, running, most) &&
            fetch(slots, running, most) && fetch(slots, running, most));
  std::printf("async_semaphore: at most %d at once\n", most);
}

// [async_event]
awaitable<void> serve(corolock::async_event& ready, const std::string& settings) {
  co_await corolock::async_wait(ready, use_awaitable);  // returns at once when it is set
  std::printf("async_event: serving with %s\n", settings.c_str());
}

awaitable<void> load(corolock::async_event& ready, std::string& settings) {
  co_await asio::post(use_awaitable);
  settings = "the settings";
  ready.set();  // wakes all that wait, and lets later ones pass
}
// [/async_event]

awaitable<void> use_async_event() {
  using namespace asio::experimental::awaitable_operators;
  corolock::async_event ready;
  std::string settings;
  co_await (serve(ready, settings) && load(ready, settings));
}

// [async_condition]
struct mailbox {
  corolock::async_mutex mutex;
  corolock::async_condition not_empty;
  std::deque<int> letters;
};

awaitable<int> take(mailbox& box) {
  auto guard = co_await corolock::async_lock(box.mutex, use_awaitable);
  const auto has_letters = [&box] { return !box.letters.empty(); };
  co_await corolock::async_wait(box.not_empty, guard, has_letters, use_awaitable);
  const int letter = box.letters.front();  // the guard holds the lock again
  box.letters.pop_front();
  co_return letter;
}

awaitable<void> put(mailbox& box, int letter) {
  auto guard = co_await corolock::async_lock(box.mutex, use_awaitable);
  box.letters.push_back(letter);
  box.not_empty.notify_one();
}
// [/async_condition]

awaitable<void> use_async_condition() {
  using namespace asio::experimental::awaitable_operators;
  mailbox box;
  const int letter = co_await (take(box) && put(box, 7));
  std::printf("async_condition: took %d\n", letter);
}

// [async_barrier]
awaitable<void> work(corolock::async_barrier& phase, int& done, int& seen) {
  ++done;  // the first phase
  const std::size_t index = co_await corolock::async_arrive_and_wait(phase, use_awaitable);
  if (index == 0) {  // one of them, whichever arrived first
    seen = done;
  }
}
// [/async_barrier]

awaitable<void> use_async_barrier() {
  using namespace asio::experimental::awaitable_operators;
  corolock::async_barrier phase(3);
  int done = 0;
  int seen = 0;
  co_await (work(phase, done, seen) && work(phase, done, seen) && work(phase, done, seen));
  std::printf("async_barrier: %d were done\n", seen);
}

// [asio]
awaitable<void> ways_to_lock(corolock::async_mutex& mutex) {
  {  // an error is thrown
    auto guard = co_await corolock::async_lock(mutex, use_awaitable);
  }
  {  // an error is returned
    auto [error, guard] = co_await corolock::async_lock(mutex, as_tuple(use_awaitable));
  }
  {  // with a time limit
    auto guard = co_await corolock::async_lock_for(mutex, 100ms, use_awaitable);
  }
  {  // whichever comes first
    using namespace asio::experimental::awaitable_operators;
    asio::steady_timer limit(co_await asio::this_coro::executor, 100ms);
    auto first =
        co_await (corolock::async_lock(mutex, use_awaitable) || limit.async_wait(use_awaitable));
    std::printf("asio: %s\n", first.index() == 0 ? "locked" : "timed out");
  }
}
// [/asio]

awaitable<void> use_asio() {
  corolock::async_mutex mutex;
  co_await ways_to_lock(mutex);
}

}  // namespace

int main() {
  asio::io_context context;
  const auto run = [&context](awaitable<void> example) {
    asio::co_spawn(context, std::move(example), [](const std::exception_ptr& e) {
      if (e) {
        std::rethrow_exception(e);
      }
    });
    context.run();
    context.restart();
  };
  run(use_async_mutex());
  run(use_async_shared_mutex());
  run(use_async_semaphore());
  run(use_async_event());
  run(use_async_condition());
  run(use_async_barrier());
  run(use_asio());
}
