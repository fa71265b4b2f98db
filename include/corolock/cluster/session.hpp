// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// session: a process's connection to the server that keeps its locks.
//
//   async_connect(executor, url, options, token)   void(std::exception_ptr, session)
//
//   memory:                                        a server within this process, for tests
//   etcd://[user:password@]host:port[,host:port]   etcd v3's JSON gateway; etcds:// with TLS
//   postgresql://[user:password@]host:port/db      anything that libpq takes
//
// A session that is lost stays lost: all its locks are gone, and its waits end with
// cluster_errc::session_lost. Connect again for another. Its executor's context outlives it.

#include <corolock/cluster/detail/core.hpp>
#include <corolock/cluster/detail/initiate.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <exception>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

COROLOCK_BEGIN

namespace cluster::detail {
struct access;
boost::asio::awaitable<std::tuple<error_code>> close(std::shared_ptr<session_handle> handle);
}  // namespace cluster::detail

/// A lease on a server, kept alive, and the locks under it. Copies are the same session; it is
/// closed when the last of them, and of its mutexes and guards, is gone. For any thread.
class session {
 public:
  /// None: to be assigned to.
  session() = default;

  explicit operator bool() const noexcept { return handle_ != nullptr; }

  [[nodiscard]] capabilities what() const { return handle_->core->what(); }
  /// What the server calls it: the lease of etcd, the process id of PostgreSQL's backend.
  [[nodiscard]] std::string id() const { return handle_->core->id(); }
  /// Whether it is lost or closed, without I/O.
  [[nodiscard]] bool is_lost() const noexcept { return handle_->core->is_lost(); }
  /// Until when its locks are held for certain, if it is not renewed again.
  [[nodiscard]] time_source::time_point deadline() const noexcept {
    return handle_->core->deadline();
  }
  /// What went wrong last, in words; empty if nothing has.
  [[nodiscard]] std::string problem() const { return handle_->core->problem(); }

  /// Gives all its locks and its lease back: void(error_code). Whoever waits in it ends with
  /// cluster_errc::session_closed.
  template <class Token>
  auto async_close(Token&& token) const {
    return cluster::detail::initiate<void(boost::system::error_code)>(
        handle_->core->where(),
        [handle = handle_](const std::shared_ptr<cluster::detail::attempt>&) {
          return cluster::detail::close(handle);
        },
        std::forward<Token>(token));
  }

 private:
  friend struct cluster::detail::access;

  explicit session(std::shared_ptr<cluster::detail::session_handle> handle) noexcept
      : handle_(std::move(handle)) {}

  std::shared_ptr<cluster::detail::session_handle> handle_;
};

namespace cluster::detail {
boost::asio::awaitable<std::tuple<std::exception_ptr, session>> connect(strand on, std::string url,
                                                                        session_options options);
}

/// Connects to the server of that URL: completes with a session, or with a cluster_error that says
/// what is wrong, at the latest after options.time_to_connect.
template <class Token>
auto async_connect(const boost::asio::any_io_executor& executor, std::string url,
                   session_options options, Token&& token) {
  const cluster::detail::strand on(executor);
  return cluster::detail::initiate<void(std::exception_ptr, session)>(
      on,
      [on, url = std::move(url),
       options = std::move(options)](const std::shared_ptr<cluster::detail::attempt>&) {
        return cluster::detail::connect(on, url, options);
      },
      std::forward<Token>(token));
}

COROLOCK_END
