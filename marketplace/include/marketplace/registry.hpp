// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// registry: what can be done with agents; the rules, without HTTP and without SQL.

#include <corolock/async_keyed_mutex.hpp>
#include <corolock/diagnostics.hpp>
#include <marketplace/access.hpp>
#include <marketplace/card_fetcher.hpp>
#include <marketplace/catalog.hpp>
#include <marketplace/registration.hpp>

#include <boost/asio/awaitable.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace marketplace {

struct registry_options {
  enum class name_rule { global, owner, off };
  name_rule unique_names = name_rule::global;
  bool strict_cards = false;  ///< refuse a card that does not conform
  std::string publisher;      ///< of the urns of agents whose card names no provider; may be empty
  std::chrono::milliseconds lock_limit{10'000};  ///< for a wait, then 503
};

/// What a registration ended with.
struct registered {
  agent_record record;
  std::string owner_token;  ///< shown once; empty if the agent was there already
};

/// What a look at an agent's card ended with.
enum class card_look : std::uint8_t {
  unchanged,
  changed,    ///< and is stored
  failed,     ///< the host does not answer, or with no card, or with one that is refused
  overtaken,  ///< somebody changed the agent meanwhile, or it has no fetched card any more
};

/// The reply to be stored with a registration, made before it is: with the record as it will be.
using reply_maker = std::function<stored_reply(const registered&)>;

/// The rules of the marketplace.
///
/// **The lock.** A registration checks that its keys are free, fetches a card, which takes a while,
/// and stores. Every key that is about to be claimed is locked meanwhile, so that a thousand
/// registrations of one URL are one fetch and 999 clean answers. The storage's UNIQUE is what makes
/// two agents with one URL impossible, also between processes: the lock is the courtesy in front.
///
/// **The order.** Two batches, each sorted by the keyed mutex: first agent_id and base_url, then,
/// when the card is there, agent_name and urn. No key of the second is ever held by a task that
/// waits for one of the first: no two tasks can wait for each other.
///
/// **Cancellation.** Waiting and fetching end at once when the client goes away, and the keys are
/// free. From the moment that something is written the call goes on to its end.
///
/// All functions throw http::problem.
class registry {
 public:
  using claims_mutex = corolock::basic_async_keyed_mutex<std::string, corolock::multi_threaded,
                                                         corolock::diagnostics>;
  using clock = std::function<timestamp()>;

  registry(catalog& agents, card_fetcher& cards, registry_options options, clock now);

  /// Registers an agent. One with the same fields and the same owner's token is there already: that
  /// is no conflict, and nothing changes.
  boost::asio::awaitable<registered> register_agent(registration wanted, caller who,
                                                    reply_maker make_reply = nullptr);

  /// Replaces what the owner may change. `version` is what the owner saw.
  boost::asio::awaitable<agent_record> update_agent(std::string agent_id, registration wanted,
                                                    std::int64_t version, caller who);
  boost::asio::awaitable<agent_record> delete_agent(std::string agent_id,
                                                    std::optional<std::int64_t> version,
                                                    caller who);
  /// Fetches the agent's card again, from where it was or from its base_url.
  boost::asio::awaitable<agent_record> refresh_agent(std::string agent_id, caller who);
  /// Looks whether the agent's card is still as its host has it, and takes over a new one. Nothing
  /// is locked while the host is asked, so that nobody waits for that. Throws http::problem only if
  /// the storage fails.
  boost::asio::awaitable<card_look> look_at_card(std::string agent_id);
  /// Another owner's token instead of the present one.
  boost::asio::awaitable<registered> rotate_owner(std::string agent_id, caller who);
  boost::asio::awaitable<agent_record> heartbeat(std::string agent_id, std::chrono::seconds ttl,
                                                 caller who);

  /// The agent. 404 if there never was one, 410 if it was deleted.
  boost::asio::awaitable<agent_record> find(std::string agent_id_or_urn);

  /// The card that a registration would have. Stores nothing.
  boost::asio::awaitable<fetched_card> preview(registration wanted);

  [[nodiscard]] timestamp now() const { return now_(); }
  [[nodiscard]] const claims_mutex& claims() const noexcept { return claims_; }

 private:
  using guard = claims_mutex::keys_guard_type;

  boost::asio::awaitable<agent_record> find_owned(std::string agent_id_or_urn, const caller& who);
  boost::asio::awaitable<guard> claim(std::vector<std::string> keys);
  catalog::result<agent_record> store_first(const registered& wanted, change_context context,
                                            const reply_maker& make_reply);
  boost::asio::awaitable<registered> registered_before(repository_error refusal,
                                                       const registration& wanted,
                                                       const caller& who);
  boost::asio::awaitable<void> require_free(agent_claims claims, std::string except);
  boost::asio::awaitable<std::optional<fetched_card>> card_of(const registration& wanted);
  // By its name; or, if that is taken, with the end of its id.
  enum class urn_form : std::uint8_t { name, name_and_id };
  [[nodiscard]] std::string urn_of(const agent_record& record, urn_form form) const;
  void take_card(agent_record& record, fetched_card card) const;
  agent_record record_of(const registration& wanted, std::optional<fetched_card> card,
                         std::string_view names_of) const;
  [[nodiscard]] change_context context_of(const caller& who) const;

  catalog& agents_;
  card_fetcher& cards_;
  registry_options options_;
  clock now_;
  claims_mutex claims_{"claims"};
};

}  // namespace marketplace
