// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The rules, on the catalog in memory and without a network.

#include <corolock/asio/lock.hpp>
#include <corolock/asio/wait.hpp>
#include <corolock/async_event.hpp>
#include <marketplace/base_url.hpp>
#include <marketplace/http/problem.hpp>
#include <marketplace/in_memory_catalog.hpp>
#include <marketplace/registry.hpp>
#include <marketplace/secrets.hpp>
#include <marketplace/storage_problem.hpp>

#include <boost/asio.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace marketplace {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using http::problem;

caller anonymous() {
  caller who;
  who.actor = "anonymous 192.0.2.1";
  who.identity = "peer 192.0.2.1";
  who.request_id = "r";
  return who;
}

caller owner(const std::string& token) {
  caller who = anonymous();
  who.token_sha256 = sha256_hex(token);
  who.actor = "owner";
  return who;
}

registration wish(const std::string& url, const std::string& name = "") {
  registration wanted;
  wanted.base_url = url;
  wanted.base_url_key = *base_url_key(url);
  wanted.agent_name = name;
  wanted.description = "does things";
  wanted.tags = std::vector<std::string>{"a"};
  return wanted;
}

class RegistryTest : public testing::Test {
 public:
  asio::io_context context;
  in_memory_catalog storage;
  card_fetcher cards{context.get_executor(), card_fetcher_options()};
  timestamp time{std::chrono::milliseconds(1'700'000'000'000)};
  registry agents{storage, cards, registry_options(), [this] { return time; }};

  // What the call returns, or the problem's status.
  template <class T>
  struct outcome {
    std::optional<T> value;
    std::optional<problem> refused;
    [[nodiscard]] unsigned status() const { return refused ? refused->status() : 200; }
    T* operator->() { return &*value; }
  };

  template <class T>
  outcome<T> run(awaitable<T> call) {
    outcome<T> result;
    asio::co_spawn(context, std::move(call), [&](const std::exception_ptr& error, T value) {
      take(result, error, std::move(value));
    });
    context.run();
    context.restart();
    EXPECT_EQ(agents.claims().size(), 0U) << "a key is still locked";
    return result;
  }

  template <class T>
  static void take(outcome<T>& result, const std::exception_ptr& error, T value) {
    if (!error) {
      result.value = std::move(value);
      return;
    }
    try {
      std::rethrow_exception(error);
    } catch (const problem& what) {
      result.refused = what;
    }
  }

  outcome<registered> add(registration wanted, const caller& who = anonymous()) {
    return run(agents.register_agent(std::move(wanted), who));
  }
};

TEST_F(RegistryTest, AnAgentIsRegisteredAsVersion1AndItsTokenIsItsOwners) {
  auto done = add(wish("https://a.example.com", "First"));
  ASSERT_EQ(done.status(), 200U);
  EXPECT_EQ(done->record.profile.version, 1);
  EXPECT_TRUE(agent_id_key(done->record.profile.agent_id));
  EXPECT_EQ(done->record.urn, "urn:air:a.example.com:agents:first");
  EXPECT_EQ(done->record.owner, sha256_hex(done->owner_token));
  EXPECT_EQ(done->record.profile.registered_at, time);
  auto found = run(agents.find(done->record.urn));
  ASSERT_EQ(found.status(), 200U);
  EXPECT_EQ(found->profile.agent_id, done->record.profile.agent_id);
}

TEST_F(RegistryTest, AnotherSpellingOfAUrlIsAConflictThatNamesItsHolder) {
  auto first = add(wish("https://a.example.com/x"));
  auto second = add(wish("HTTPS://A.Example.com:443/x/"));
  ASSERT_EQ(second.status(), 409U);
  ASSERT_TRUE(second.refused->holder());
  EXPECT_EQ(second.refused->holder()->field, "base_url");
  EXPECT_EQ(second.refused->holder()->existing_agent_id, first->record.profile.agent_id);
}

TEST_F(RegistryTest, ANameIsClaimedOnceAndNoNameByNobody) {
  EXPECT_EQ(add(wish("https://a.example.com", "Same")).status(), 200U);
  EXPECT_EQ(add(wish("https://b.example.com", "same")).refused->holder()->field, "agent_name");
  EXPECT_EQ(add(wish("https://c.example.com")).status(), 200U);
  EXPECT_EQ(add(wish("https://d.example.com")).status(), 200U);
}

TEST_F(RegistryTest, TheSameWishOfTheSameOwnerIsNoConflict) {
  auto first = add(wish("https://a.example.com", "n"));
  auto again = add(wish("https://a.example.com", "n"), owner(first->owner_token));
  ASSERT_EQ(again.status(), 200U);
  EXPECT_EQ(again->record.profile.agent_id, first->record.profile.agent_id);
  EXPECT_TRUE(again->owner_token.empty());
  EXPECT_EQ(add(wish("https://a.example.com", "n"), owner("mo_other")).status(), 409U);
  EXPECT_EQ(add(wish("https://a.example.com", "m"), owner(first->owner_token)).status(), 409U);
}

TEST_F(RegistryTest, AnUpdateChecksEveryUniqueKey) {
  auto first = add(wish("https://a.example.com", "a"));
  auto second = add(wish("https://b.example.com", "b"));
  const std::string id = second->record.profile.agent_id;
  const caller who = owner(second->owner_token);
  EXPECT_EQ(run(agents.update_agent(id, wish("https://a.example.com/", "b"), 1, who)).status(),
            409U);
  EXPECT_EQ(run(agents.update_agent(id, wish("https://b.example.com", "A"), 1, who)).status(),
            409U);
  EXPECT_EQ(run(agents.update_agent(id, wish("https://b.example.com"), 2, who)).status(), 412U);
  EXPECT_EQ(run(agents.update_agent(id, wish("https://b.example.com"), 1, anonymous())).status(),
            401U);
  EXPECT_EQ(
      run(agents.update_agent(id, wish("https://b.example.com"), 1, owner(first->owner_token)))
          .status(),
      403U);
  auto done = run(agents.update_agent(id, wish("https://c.example.com", "c"), 1, who));
  ASSERT_EQ(done.status(), 200U);
  EXPECT_EQ(done->profile.version, 2);
  EXPECT_EQ(done->urn, second->record.urn);
  EXPECT_EQ(add(wish("https://b.example.com", "b")).status(), 200U) << "what it had before is free";
}

TEST_F(RegistryTest, ADeletedAgentsUrlAndNameAreFreeAtOnceAndItsIdNeverIs) {
  auto first = add(wish("https://a.example.com", "n"));
  const std::string id = first->record.profile.agent_id;
  EXPECT_EQ(run(agents.delete_agent(id, 2, owner(first->owner_token))).status(), 412U);
  EXPECT_EQ(run(agents.delete_agent(id, std::nullopt, owner(first->owner_token))).status(), 200U);
  EXPECT_EQ(run(agents.find(id)).status(), 410U);
  registration same_id = wish("https://other.example.com");
  same_id.agent_id = id;
  EXPECT_EQ(add(same_id).status(), 409U);
  EXPECT_EQ(add(wish("https://a.example.com", "n")).status(), 200U);
}

TEST_F(RegistryTest, ARotatedTokenIsTheOnlyOneThatWorks) {
  auto first = add(wish("https://a.example.com"));
  const std::string id = first->record.profile.agent_id;
  auto rotated = run(agents.rotate_owner(id, owner(first->owner_token)));
  ASSERT_EQ(rotated.status(), 200U);
  EXPECT_EQ(run(agents.rotate_owner(id, owner(first->owner_token))).status(), 403U);
  EXPECT_EQ(
      run(agents.heartbeat(id, std::chrono::seconds(60), owner(rotated->owner_token))).status(),
      200U);
}

TEST_F(RegistryTest, AnAgentIsChangedByAnySpellingOfItsIdAndByItsUrn) {
  auto first = add(wish("https://a.example.com"));
  std::string token = first->owner_token;
  std::string upper = first->record.profile.agent_id;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  ASSERT_NE(upper, first->record.profile.agent_id);
  for (const std::string& name : {upper, first->record.urn}) {
    auto rotated = run(agents.rotate_owner(name, owner(token)));
    ASSERT_EQ(rotated.status(), 200U) << name;
    token = rotated->owner_token;
    EXPECT_EQ(run(agents.heartbeat(name, std::chrono::seconds(60), owner(token))).status(), 200U);
    EXPECT_EQ(run(agents.refresh_agent(name, owner(token))).status(), 422U) << "it has no card";
    registration wanted = wish("https://a.example.com");
    auto updated = run(
        agents.update_agent(name, wanted, run(agents.find(name))->profile.version, owner(token)));
    EXPECT_EQ(updated.status(), 200U) << name;
  }
  EXPECT_EQ(run(agents.delete_agent(upper, std::nullopt, owner(token))).status(), 200U);
}

TEST_F(RegistryTest, WhoWaitsWhileTheTokenIsRotatedIsNoLongerTheOwner) {
  auto first = add(wish("https://a.example.com"));
  const std::string id = first->record.profile.agent_id;
  const caller was_owner = owner(first->owner_token);
  outcome<registered> rotated;
  outcome<agent_record> updated;
  outcome<agent_record> refreshed;
  outcome<agent_record> deleted;
  const auto take_into = [](auto& result) {
    return [&result](const std::exception_ptr& error, auto value) {
      take(result, error, std::move(value));
    };
  };
  const auto waiters = [this] { return agents.claims().statistics().waiters; };
  auto& claims = const_cast<registry::claims_mutex&>(agents.claims());
  {
    auto held = claims.try_lock("1 agent_id " + id);
    ASSERT_TRUE(held);
    const auto wait_in_line = [&](std::size_t number) {
      while (waiters() < number) {
        context.run_one();
      }
    };
    asio::co_spawn(context, agents.rotate_owner(id, was_owner), take_into(rotated));
    wait_in_line(1);
    asio::co_spawn(context, agents.update_agent(id, wish("https://b.example.com"), 1, was_owner),
                   take_into(updated));
    wait_in_line(2);
    asio::co_spawn(context, agents.refresh_agent(id, was_owner), take_into(refreshed));
    wait_in_line(3);
    asio::co_spawn(context, agents.delete_agent(id, std::nullopt, was_owner), take_into(deleted));
    wait_in_line(4);
  }
  context.run();
  context.restart();
  EXPECT_EQ(rotated.status(), 200U);
  EXPECT_EQ(updated.status(), 403U);
  EXPECT_EQ(refreshed.status(), 403U);
  EXPECT_EQ(deleted.status(), 403U);
  EXPECT_EQ(run(agents.find(id))->profile.base_url, "https://a.example.com");
}

TEST_F(RegistryTest, TwoAgentsOfOneNameOnOneHostHaveDifferentUrns) {
  registry loose(
      storage, cards,
      registry_options{registry_options::name_rule::off, false, "", std::chrono::seconds(1)},
      [this] { return time; });
  auto first = run(loose.register_agent(wish("https://h.example.com/a", "Same"), anonymous()));
  auto second = run(loose.register_agent(wish("https://h.example.com/b", "Same"), anonymous()));
  ASSERT_EQ(second.status(), 200U);
  EXPECT_NE(first->record.urn, second->record.urn);
  EXPECT_TRUE(second->record.urn.starts_with(first->record.urn + "-"));
}

TEST_F(RegistryTest, NamesCanBeUniqueWithinTheKeyThatRegisteredThem) {
  registry_options rules;
  rules.unique_names = registry_options::name_rule::owner;
  registry scoped(storage, cards, rules, [this] { return time; });
  const auto key = [](const std::string& id) {
    caller who = anonymous();
    who.is = role::publisher;
    who.identity = "key " + id;
    return who;
  };
  const auto of = [&](const char* url, const char* name, const caller& who) {
    return run(scoped.register_agent(wish(url, name), who));
  };
  auto first = of("https://a.example.com", "Same", key("1"));
  EXPECT_EQ(first.status(), 200U);
  auto refused = of("https://b.example.com", "same", key("1"));
  ASSERT_EQ(refused.status(), 409U);
  EXPECT_EQ(refused.refused->holder()->field, "agent_name");
  EXPECT_EQ(of("https://b.example.com", "same", key("2")).status(), 200U);
  EXPECT_EQ(of("https://c.example.com", "same", anonymous()).status(), 200U);
  EXPECT_EQ(of("https://d.example.com", "same", anonymous()).status(), 200U);

  // A change by the owner's token stays within the key, too.
  auto other = of("https://e.example.com", "Other", key("1"));
  ASSERT_EQ(other.status(), 200U);
  const std::string id = other->record.profile.agent_id;
  auto renamed = run(
      scoped.update_agent(id, wish("https://e.example.com", "SAME"), 1, owner(other->owner_token)));
  EXPECT_EQ(renamed.status(), 409U);
  auto nameless = of("https://f.example.com", "", key("1"));
  ASSERT_EQ(nameless.status(), 200U);
  EXPECT_EQ(of("https://g.example.com", "", key("1")).status(), 200U);
  auto named = run(scoped.update_agent(nameless->record.profile.agent_id,
                                       wish("https://f.example.com", "Same"), 1,
                                       owner(nameless->owner_token)));
  EXPECT_EQ(named.status(), 409U);
}

TEST_F(RegistryTest, ACardSaysWhatTheWishDoesNot) {
  registration wanted;
  wanted.card_text =
      R"({"name":"Carded","description":"from its card","url":"https://card.example.com/a2a",)"
      R"("version":"1","protocolVersion":"0.3.0","capabilities":{},"defaultInputModes":[],)"
      R"("defaultOutputModes":[],)"
      R"("skills":[{"id":"s","name":"S","description":"d","tags":["Math"]}]})";
  auto done = add(wanted);
  ASSERT_EQ(done.status(), 200U) << done.refused->detail();
  EXPECT_EQ(done->record.profile.agent_name, "Carded");
  EXPECT_EQ(done->record.profile.base_url, "https://card.example.com/a2a");
  EXPECT_EQ(done->record.profile.tags, (std::vector<std::string>{"math"}));
  EXPECT_EQ(done->record.card_text, *wanted.card_text);
}

TEST_F(RegistryTest, OfAThousandWhoWantOneUrlOneGetsItAndAllOthersAreToldWho) {
  std::vector<outcome<registered>> results(1000);
  for (auto& result : results) {
    asio::co_spawn(context, agents.register_agent(wish("https://one.example.com"), anonymous()),
                   [&result](const std::exception_ptr& error, registered value) {
                     take(result, error, std::move(value));
                   });
  }
  context.run();
  std::string winner;
  for (const auto& result : results) {
    if (result.value) {
      EXPECT_TRUE(winner.empty()) << "two have it";
      winner = result.value->record.profile.agent_id;
    }
  }
  for (const auto& result : results) {
    if (!result.value) {
      ASSERT_TRUE(result.refused);
      EXPECT_EQ(result.refused->holder()->existing_agent_id, winner);
    }
  }
  EXPECT_EQ(agents.claims().size(), 0U);
}

TEST_F(RegistryTest, WhoeverIsCancelledWhileWaitingLeavesNothingBehind) {
  // One task holds the key; the second waits, and is cancelled; the third gets in.
  auto first = add(wish("https://a.example.com", "n"));
  asio::cancellation_signal cancel;
  std::optional<bool> was_cancelled;
  bool is_held = false;
  asio::co_spawn(
      context,
      [](RegistryTest& t, std::string id, bool& held) -> awaitable<void> {
        auto& claims = const_cast<registry::claims_mutex&>(t.agents.claims());
        auto guard = co_await corolock::async_lock(claims, "1 agent_id " + id, use_awaitable);
        held = true;
        co_await asio::post(use_awaitable);
        co_await asio::post(use_awaitable);
      }(*this, first->record.profile.agent_id, is_held),
      asio::detached);
  asio::co_spawn(
      context,
      agents.delete_agent(first->record.profile.agent_id, std::nullopt, owner(first->owner_token)),
      asio::bind_cancellation_slot(cancel.slot(),
                                   [&](const std::exception_ptr& error, const agent_record&) {
                                     was_cancelled = error != nullptr;
                                   }));
  while (!is_held || agents.claims().statistics().waiters == 0) {
    context.run_one();
  }
  cancel.emit(asio::cancellation_type::terminal);
  context.run();
  context.restart();
  EXPECT_EQ(was_cancelled, std::optional<bool>(true));
  EXPECT_EQ(run(agents.find(first->record.profile.agent_id)).status(), 200U);
  EXPECT_EQ(run(agents.delete_agent(first->record.profile.agent_id, std::nullopt,
                                    owner(first->owner_token)))
                .status(),
            200U);
}

// A storage whose writes the test can hold.
class held_catalog : public in_memory_catalog {
 public:
  corolock::async_event begun;
  corolock::async_event go_on;

  result<agent_record> create(agent_record record, change_context context) override {
    begun.set();
    co_await corolock::async_wait(go_on, use_awaitable);
    co_return co_await in_memory_catalog::create(std::move(record), std::move(context));
  }
};

// The Python service freed its lock while the write of a cancelled caller went on, and the next
// caller failed.
TEST_F(RegistryTest, WhoeverIsCancelledWhileWritingKeepsItsKeysUntilItIsWritten) {
  held_catalog slow;
  registry held(slow, cards, registry_options(), [this] { return time; });
  asio::cancellation_signal cancel;
  bool is_over = false;
  asio::co_spawn(
      context, held.register_agent(wish("https://a.example.com", "n"), anonymous()),
      asio::bind_cancellation_slot(
          cancel.slot(), [&](const std::exception_ptr&, const registered&) { is_over = true; }));
  while (!slow.begun.is_set()) {
    context.run_one();
  }
  cancel.emit(asio::cancellation_type::terminal);
  context.poll();
  EXPECT_FALSE(is_over);
  EXPECT_EQ(held.claims().size(), 4U) << "its id, base_url, name and urn";
  slow.go_on.set();
  context.run();
  context.restart();
  EXPECT_TRUE(is_over);
  EXPECT_EQ(held.claims().size(), 0U);
  EXPECT_EQ(run(held.find("urn:air:a.example.com:agents:n")).status(), 200U);
}

}  // namespace
}  // namespace marketplace
