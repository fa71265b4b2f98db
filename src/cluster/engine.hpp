// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// engine: what a session asks of its server. For the session's strand.

#include <corolock/cluster/memory.hpp>
#include <corolock/cluster/session.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

COROLOCK_BEGIN
namespace cluster::detail {

enum class verdict { yes, no, unknown };

// One of: a grant; why there is none; neither, if the lock is not free and waiting was not asked
// for.
struct acquired {
  error_code why;
  std::string text;  // the same in words
  std::shared_ptr<remote_grant> grant;
};

class engine {
 public:
  engine() = default;
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  virtual ~engine() = default;

  // Any thread, once open() is done.
  [[nodiscard]] virtual capabilities what() const = 0;
  [[nodiscard]] virtual std::string id() const = 0;

  // Throws cluster_error. `lose` is for a server that says by itself that the lease is gone.
  virtual boost::asio::awaitable<void> open(std::function<void(std::string)> lose) = 0;
  // One call per name at a time. It waits through outages, and ends when the attempt does, leaving
  // nothing behind that renew() will not clear away.
  virtual boost::asio::awaitable<acquired> acquire(const std::string& name, bool waits,
                                                   attempt& a) = 0;
  // Takes a bounded time. Unknown: renew() goes on trying.
  virtual boost::asio::awaitable<release_result> release(const std::string& name,
                                                         const remote_grant& grant) = 0;
  virtual boost::asio::awaitable<verdict> verify(const std::string& name,
                                                 const remote_grant& grant) = 0;
  // How long the process that comes next has waited; zero if none waits.
  virtual boost::asio::awaitable<time_source::duration> longest_wait(const std::string& name,
                                                                     const remote_grant& grant) = 0;
  // Nobody in this process uses the name any more.
  virtual void forget(const std::string& name) = 0;
  // Whether the lease is alive. Takes a bounded time.
  virtual boost::asio::awaitable<verdict> renew() = 0;
  // Gives everything back, as far as the server answers within a bounded time.
  virtual boost::asio::awaitable<void> close() = 0;
};

// Opens a session on the engine; what async_connect completes with.
boost::asio::awaitable<std::tuple<std::exception_ptr, session>> open_session(
    strand on, session_options options, std::unique_ptr<engine> by);

// Throws cluster_error: what is wrong with the options, for that engine, as a cluster_error.
void require_options(const session_options& options, const capabilities& what);

// The server of memory:
std::shared_ptr<memory_server> shared_memory_server();

inline std::string text_of(std::chrono::milliseconds time) {
  return std::to_string(time.count()) + " ms";
}

}  // namespace cluster::detail
COROLOCK_END
