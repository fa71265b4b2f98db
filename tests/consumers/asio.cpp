// SPDX-License-Identifier: BSL-1.0

// A consumer of the front end for Boost.Asio.
#include <corolock/asio.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace {

boost::asio::awaitable<void> increment(corolock::async_mutex& mutex, int& count) {
  const corolock::mutex_guard guard =
      co_await corolock::async_lock(mutex, boost::asio::use_awaitable);
  const int before = count;
  co_await boost::asio::post(boost::asio::use_awaitable);
  count = before + 1;
}

}  // namespace

int main() {
  boost::asio::io_context context;
  corolock::async_mutex mutex;
  int count = 0;
  for (int i = 0; i < 2; ++i) {
    boost::asio::co_spawn(context, increment(mutex, count), boost::asio::detached);
  }
  context.run();
  return count == 2 ? 0 : 1;
}
