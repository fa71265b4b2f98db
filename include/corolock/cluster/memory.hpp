// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// memory_cluster: a server of locks within this process, for the tests of programs that use
// distributed locks. With a manual_time nothing in it happens by itself.

#include <corolock/cluster/session.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

COROLOCK_BEGIN

namespace cluster::detail {
class memory_server;
boost::asio::awaitable<std::tuple<std::exception_ptr, session>> connect_to_memory(
    strand on, std::shared_ptr<memory_server> server, session_options options);
}  // namespace cluster::detail

/// A server that sessions of this process connect to. For any thread.
class memory_cluster {
 public:
  explicit memory_cluster(std::shared_ptr<time_source> time = steady_time());

  /// Connects to this server, on its clock: void(std::exception_ptr, session).
  template <class Token>
  auto async_connect(const boost::asio::any_io_executor& executor, session_options options,
                     Token&& token) {
    const cluster::detail::strand on(executor);
    return cluster::detail::initiate<void(std::exception_ptr, session)>(
        on,
        [on, server = server_,
         options = std::move(options)](const std::shared_ptr<cluster::detail::attempt>&) {
          return cluster::detail::connect_to_memory(on, server, options);
        },
        std::forward<Token>(token));
  }

  /// A partition: the session reaches the server, or does not.
  void set_reachable(const session& s, bool is_reachable);
  /// The session's next request is carried out, but its reply does not arrive.
  void drop_next_reply(const session& s);
  /// Ends the session's lease, as if its process had stood still for too long.
  void expire(const session& s);

  /// How many sessions hold the lock or wait for it.
  [[nodiscard]] std::size_t queue_length(std::string_view name) const;
  /// How often a session was granted a lock.
  [[nodiscard]] std::uint64_t grants() const;

 private:
  std::shared_ptr<cluster::detail::memory_server> server_;
};

COROLOCK_END
