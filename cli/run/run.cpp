// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "run.hpp"

#include <corolock/cluster.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <exception>
#include <iostream>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

namespace corolock_cli {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using boost::system::error_code;

void complain(const std::string& text) {
  std::cerr << "corolock: " << text << '\n';
}

// The command, in a process group of its own: what it has started ends with it.
class child {
 public:
  explicit child(asio::io_context& context) : ends_(context, SIGCHLD) {}
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    if (has_terminal_) {
      tcsetpgrp(STDIN_FILENO, getpgrp());
    }
  }

  // 0, or what went wrong.
  int start(const std::vector<std::string>& command, const corolock::fencing_token& token) {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (const std::string& each : command) {
      arguments.push_back(const_cast<char*>(each.c_str()));
    }
    arguments.push_back(nullptr);
    constexpr std::string_view name = "COROLOCK_TOKEN=";
    std::string variable(name);
    variable += std::to_string(token.token);
    std::vector<char*> environment{variable.data()};
    for (char** each = environ; *each != nullptr; ++each) {
      if (!std::string_view(*each).starts_with(name)) {
        environment.push_back(*each);
      }
    }
    environment.push_back(nullptr);

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t all;
    sigfillset(&all);
    posix_spawnattr_setsigdefault(&attributes, &all);
    has_terminal_ = tcgetpgrp(STDIN_FILENO) == getpgrp();
    if (has_terminal_) {
      std::signal(SIGTTOU, SIG_IGN);  // so that we may take the terminal back
      posix_spawn_file_actions_addtcsetpgrp_np(&actions, STDIN_FILENO);
    }
    const int error = posix_spawnp(&id_, arguments[0], &actions, &attributes, arguments.data(),
                                   environment.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
  }

  void signal(int number) const { kill(-id_, number); }

  // The exit code, as a shell tells it.
  asio::awaitable<int> end() {
    int status = 0;
    while (waitpid(id_, &status, WNOHANG) == 0) {
      co_await ends_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  asio::signal_set ends_;  // from before the start, so that none is missed
  pid_t id_ = 0;
  bool has_terminal_ = false;
};

class runner {
 public:
  runner(asio::io_context& context, const run_options& options)
      : options_(options),
        signals_(context, SIGINT, SIGTERM, SIGHUP),
        last_word_(context),
        child_(context) {}

  asio::awaitable<int> run() {
    const auto executor = co_await asio::this_coro::executor;
    watch_signals();
    corolock::session_options how;
    how.ttl = options_.ttl;
    const corolock::session session =
        co_await corolock::async_connect(executor, options_.on, how, asio::use_awaitable);
    int code = 0;
    {
      const corolock::distributed_mutex lock(session, options_.lock);
      code = co_await run_under(session, lock);
    }
    co_await session.async_close(asio::as_tuple(asio::use_awaitable));
    signals_.cancel();
    co_return code;
  }

 private:
  // Until the command runs, a signal ends us; then it is the command's.
  void watch_signals() {
    signals_.async_wait([this](const error_code& error, int number) {
      if (error) {
        return;
      }
      if (is_running_) {
        child_.signal(number);
      } else {
        signal_ = number;
        stop_.emit(asio::cancellation_type::total);
      }
      watch_signals();
    });
  }

  asio::awaitable<int> run_under(const corolock::session& session,
                                 const corolock::distributed_mutex& lock) {
    auto token = asio::bind_cancellation_slot(stop_.slot(), asio::as_tuple(asio::use_awaitable));
    std::tuple<error_code, corolock::distributed_guard> got;
    if (!options_.wait) {
      got = co_await lock.async_lock(token);
    } else if (*options_.wait == 0ms) {
      got = co_await lock.async_try_lock(token);
    } else {
      got = co_await lock.async_lock_for(*options_.wait, token);
    }
    const error_code error = std::get<0>(got);
    corolock::distributed_guard guard = std::move(std::get<1>(got));
    if (signal_ != 0) {
      co_return 128 + signal_;
    }
    if (error && error != corolock::errc::timed_out) {
      complain("the lock '" + options_.lock + "' was not obtained: " + error.message() +
               (session.problem().empty() ? "" : ": " + session.problem()));
      co_return exit_code::no_server;
    }
    if (!guard) {
      complain("the lock '" + options_.lock + "' is held by somebody else");
      co_return exit_code::not_obtained;
    }
    co_return co_await run_held(session, std::move(guard));
  }

  asio::awaitable<int> run_held(const corolock::session& session,
                                corolock::distributed_guard guard) {
    if (const int error = child_.start(options_.command, guard.token()); error != 0) {
      complain(options_.command[0] + ": " +
               std::error_code(error, std::generic_category()).message());
      co_return error == ENOENT ? exit_code::not_found : exit_code::not_executable;
    }
    is_running_ = true;
    const auto executor = co_await asio::this_coro::executor;
    guard.async_lost(asio::bind_executor(executor, [this, session](const error_code& error) {
      if (!error && is_running_) {
        complain("the lock '" + options_.lock +
                 "' is lost, and the command ended: " + session.problem());
        end_child();
      }
    }));
    const int code = co_await child_.end();
    is_running_ = false;
    last_word_.cancel();
    auto [none, result] = co_await guard.async_release(asio::as_tuple(asio::use_awaitable));
    if (is_lost_ || result == corolock::release_result::already_lost) {
      co_return exit_code::lost;
    }
    if (result == corolock::release_result::unknown) {
      complain("the server did not answer when the lock '" + options_.lock + "' was given back");
    }
    co_return code;
  }

  void end_child() {
    is_lost_ = true;
    child_.signal(SIGTERM);
    last_word_.expires_after(1s);
    last_word_.async_wait([this](const error_code& error) {
      if (!error && is_running_) {
        child_.signal(SIGKILL);
      }
    });
  }

  const run_options& options_;
  asio::signal_set signals_;
  asio::steady_timer last_word_;
  asio::cancellation_signal stop_;
  child child_;
  bool is_running_ = false;
  bool is_lost_ = false;
  int signal_ = 0;
};

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  const std::int64_t factor = unit == "ms"                  ? 1
                              : unit == "s" || unit.empty() ? 1'000
                              : unit == "m"                 ? 60'000
                              : unit == "h"                 ? 3'600'000
                                                            : 0;
  // A year is for ever, and far from an overflow.
  if (error != std::errc() || number < 0 || factor == 0 ||
      number > 366LL * 24 * 3'600'000 / factor) {
    return std::nullopt;
  }
  return std::chrono::milliseconds(number * factor);
}

int run_locked(const run_options& options) {
  asio::io_context context(1);
  runner run(context, options);
  int code = 0;
  std::exception_ptr failed;
  asio::co_spawn(context, run.run(), [&](const std::exception_ptr& error, int is) {
    failed = error;
    code = is;
    context.stop();  // what is still given back in the background is not waited for
  });
  context.run();
  try {
    if (failed) {
      std::rethrow_exception(failed);
    }
  } catch (const corolock::cluster_error& error) {
    complain(error.what());
    const bool is_usage = error.code() == corolock::cluster_errc::invalid_url ||
                          error.code() == corolock::cluster_errc::invalid_name ||
                          error.code() == corolock::cluster_errc::invalid_options;
    return is_usage ? 2 : exit_code::no_server;
  }
  return code;
}

}  // namespace corolock_cli
