// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// Fetches agent cards from the hosts of strangers.

#include <corolock/async_keyed_mutex.hpp>
#include <corolock/async_semaphore.hpp>
#include <corolock/diagnostics.hpp>
#include <marketplace/agent_card.hpp>
#include <marketplace/text_error.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/system/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace marketplace {

struct fetched_card {
  std::string url;  ///< where it was found, after redirects
  std::string text;
  std::string etag;
  agent_card card;
  bool is_unchanged = false;  ///< the host said 304 to `etag`; text and card are empty
};

struct card_fetcher_options {
  bool allow_http_and_loopback = false;  ///< --dev
  std::size_t fetches_at_once = 16;
  std::chrono::milliseconds time_limit{5000};    ///< of a whole fetch, redirects and all
  std::chrono::milliseconds wait_limit{15'000};  ///< for a host's turn and a slot, each time
  unsigned redirects = 3;
};

/// Whether a card may be fetched from this address: it is one of the public internet, not private,
/// loopback, link-local, shared (100.64/10), multicast, reserved, nor one of these within IPv6.
bool is_public(const boost::asio::ip::address& address);

/// Fetches cards. At most fetches_at_once at a time, and one per host and port: tasks that
/// want more wait their turn, in order, for wait_limit at most, and their wait counts towards no
/// fetch's time limit.
///
/// A name is resolved once, every address it has must be public, and the connection goes to that
/// address: a name that resolves differently a moment later changes nothing. Each redirect is
/// checked like the first address. TLS certificates are verified against the host's name.
/// On one executor.
class card_fetcher {
 public:
  using semaphore =
      corolock::basic_async_semaphore<corolock::multi_threaded, corolock::diagnostics>;
  using host_locks = corolock::basic_async_keyed_mutex<std::string, corolock::multi_threaded,
                                                       corolock::diagnostics>;

  card_fetcher(boost::asio::any_io_executor executor, card_fetcher_options options);

  /// The card at `url`. With `etag`, only if it is another by now.
  /// Errors, as a sentence: refused address, no answer in time, too large, status, not a card.
  /// Throws system_error(corolock::errc::timed_out) if its turn did not come.
  /// Cancellation: total.
  boost::asio::awaitable<boost::system::result<fetched_card, text_error>> fetch(
      std::string url, std::string etag = {});

  /// The card of the agent at `base_url`: {base_url}/.well-known/agent-card.json, else its
  /// origin's, else agent.json at both. The error is that of the first.
  boost::asio::awaitable<boost::system::result<fetched_card, text_error>> discover(
      std::string base_url);

  /// How many requests went out.
  [[nodiscard]] std::uint64_t requests() const noexcept { return requests_; }
  [[nodiscard]] const semaphore& slots() const noexcept { return slots_; }
  [[nodiscard]] const host_locks& hosts() const noexcept { return hosts_; }

 private:
  using answer = boost::system::result<fetched_card, text_error>;
  struct hop;

  boost::asio::awaitable<answer> fetch_once(hop& at, const std::string& etag);
  boost::asio::awaitable<boost::system::result<boost::asio::ip::tcp::endpoint, text_error>> resolve(
      const hop& at);

  boost::asio::any_io_executor executor_;
  card_fetcher_options options_;
  boost::asio::ssl::context tls_;
  semaphore slots_;
  host_locks hosts_{"card hosts"};
  boost::asio::thread_pool lookups_{4};  // of names; the destructor waits for those that go on
  std::uint64_t requests_ = 0;
};

}  // namespace marketplace
