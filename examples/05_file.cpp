// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// Records of three parts go to one file, written by a thread. A task holds the lock from the first
// part to the last, so records do not mix. And each write has a share of the guard: when a task is
// cancelled while a part of its record is being written, nobody else begins before that write ends.

#include <corolock/asio.hpp>

#include <boost/asio.hpp>

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>

namespace asio = boost::asio;
using shared_guard = std::shared_ptr<corolock::mutex_guard>;

struct record_file {
  corolock::async_mutex mutex;
  std::string contents;  // stands for the file; written by the thread, under the lock
  std::function<void(const std::string&)> on_write;
  asio::thread_pool thread{1};

  // The wait for the end of the write may be cancelled, the write itself cannot.
  asio::awaitable<void> write(shared_guard guard, std::string part) {
    auto done = std::make_shared<corolock::async_event>();
    asio::post(thread, [this, done, part, held = std::move(guard)]() mutable {
      on_write(part);
      contents += part;
      held.reset();  // unlocks, if the task has given up
      done->set();
    });
    co_await corolock::async_wait(*done, asio::use_awaitable);
  }

  asio::awaitable<void> write_record(std::string name) {
    auto guard = std::make_shared<corolock::mutex_guard>(
        co_await corolock::async_lock(mutex, asio::use_awaitable));
    co_await write(guard, "<" + name);
    co_await write(guard, " body");
    co_await write(guard, "/" + name + ">");
  }
};

int main() {
  record_file file;
  asio::io_context context;
  asio::cancellation_signal cancel_b;
  std::binary_semaphore go_on(0);
  int bodies = 0;

  file.on_write = [&](const std::string& part) {
    if (part == " body" && ++bodies == 2) {  // b's: cancel it in the middle of the write
      asio::post(context, [&] { cancel_b.emit(asio::cancellation_type::terminal); });
      go_on.acquire();
    }
  };
  asio::co_spawn(context, file.write_record("a"), asio::detached);
  asio::co_spawn(context, file.write_record("b"),
                 asio::bind_cancellation_slot(cancel_b.slot(), [&](std::exception_ptr cancelled) {
                   std::printf("b was cancelled: %s\n", cancelled ? "yes" : "no");
                   std::printf("still locked: %s\n", file.mutex.is_locked() ? "yes" : "no");
                   go_on.release();
                 }));
  asio::co_spawn(context, file.write_record("c"), asio::detached);
  context.run();
  file.thread.join();
  std::printf("%s\n", file.contents.c_str());
}
