// SPDX-License-Identifier: BSL-1.0

// A consumer of the locks across processes and machines.
#include <corolock/cluster.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdint>

namespace {

boost::asio::awaitable<void> lock(std::uint64_t& token) {
  const auto executor = co_await boost::asio::this_coro::executor;
  const corolock::session session =
      co_await corolock::async_connect(executor, "memory:", {}, boost::asio::use_awaitable);
  const corolock::distributed_mutex mutex(session, "consumer");
  const corolock::distributed_guard guard =
      co_await corolock::async_lock(mutex, boost::asio::use_awaitable);
  token = guard.token().token;
}

}  // namespace

int main() {
  boost::asio::io_context context;
  std::uint64_t token = 0;
  boost::asio::co_spawn(context, lock(token), boost::asio::detached);
  context.run();
  return token == 1 ? 0 : 1;
}
