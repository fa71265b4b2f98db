// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// What every catalog has to do alike.

#include "catalogs.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>

namespace marketplace_test {
namespace {

using namespace std::chrono_literals;
using marketplace::agent_claims;
using marketplace::agent_health;
using marketplace::agent_status;
using marketplace::api_key;
using marketplace::change_kind;
using marketplace::search_query;
using marketplace::sort_order;
using marketplace::stored_reply;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using kind = repository_error::kind;

// Makes a catalog that is empty.
struct catalog_under_test {
  std::string name;
  std::function<std::unique_ptr<catalog>(const temporary_folder&)> make;
};

// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest looks for this name
void PrintTo(const catalog_under_test& tested, std::ostream* out) {
  *out << tested.name;
}

std::vector<catalog_under_test> catalogs() {
  std::vector<catalog_under_test> all;
  all.push_back({"InMemory", [](const temporary_folder&) {
                   return std::make_unique<marketplace::in_memory_catalog>();
                 }});
  all.push_back({"Sqlite", [](const temporary_folder& folder) {
                   return std::make_unique<marketplace::sqlite_catalog>(folder.file("agents.db"));
                 }});
  if (!postgresql_url().empty()) {
    all.push_back({"Postgresql", [](const temporary_folder&) {
                     return std::make_unique<marketplace::postgresql_catalog>(
                         new_postgresql_schema());
                   }});
  }
  return all;
}

class Catalog : public testing::TestWithParam<catalog_under_test> {
 protected:
  agent_record create(agent_record record) {
    auto created = await(it->create(std::move(record), by("anonymous")));
    if (!created) {
      throw std::runtime_error(created.error().message());
    }
    return *std::move(created);
  }
  repository_error refusal_of(agent_record record) {
    return await(it->create(std::move(record), by("anonymous"))).error();
  }
  std::vector<std::string> ids(const search_query& query) {
    const auto page = await(it->search(query)).value();
    std::vector<std::string> found;
    found.reserve(page.agents.size());
    for (const auto& each : page.agents) {
      found.push_back(each.agent_id);
    }
    EXPECT_EQ(await(it->count(query)).value(), static_cast<std::int64_t>(found.size()));
    return found;
  }
  std::vector<std::string> ids_with_text(const std::string& text) {
    search_query query;
    query.text = text;
    return ids(query);
  }
  std::vector<change_kind> change_kinds(std::int64_t since = 0) {
    std::vector<change_kind> kinds;
    std::int64_t expected = since;
    for (const auto& each : await(it->changes(since, 1000)).value()) {
      EXPECT_EQ(each.sequence, ++expected) << "the feed has a gap";
      kinds.push_back(each.kind);
    }
    EXPECT_EQ(await(it->last_change()).value(), expected);
    return kinds;
  }

  temporary_folder folder_;
  runner await;
  std::unique_ptr<catalog> it = GetParam().make(folder_);
};

agent_record with_card(unsigned number) {
  agent_record record = agent(number);
  record.card_text = R"({"name": "it"})";
  record.card_url = "https://agent.example/card.json";
  record.card_etag = "\"7\"";
  record.card.shape = marketplace::card_shape::v0_3;
  record.card.version = "1.2";
  record.card.protocol_version = "0.3.0";
  record.card.provider = "Acme & \"Sons\"";
  record.card.provider_url = "https://acme.example";
  record.card.capabilities = {"streaming"};
  record.card.skills.resize(1);
  record.card.skills[0].id = "translate";
  record.card.skills[0].name = "Translate";
  record.card.skills[0].tags = {"language"};
  record.card.interfaces.resize(1);
  record.card.interfaces[0].url = "https://agent.example/a2a";
  record.card.interfaces[0].protocol_binding = "JSONRPC";
  record.card.violations = {"/skills: is missing"};
  record.card.is_signed = true;
  record.is_split_host = true;
  return record;
}

TEST_P(Catalog, FindsWhatWasCreated) {
  agent_record wanted = with_card(1);
  wanted.profile.tags = {"one", "two"};
  wanted.profile.description = "tab\there, quote \", \\ and \x01, \xc3\xa9";
  wanted.profile.version = 9;
  wanted.owner = "abc";
  wanted.status = agent_status::deprecated;
  const agent_record created = create(wanted);
  EXPECT_EQ(created.profile.version, 1);
  const agent_record found = await(it->find(id(1))).value();
  EXPECT_EQ(to_json(found), to_json(created));
  EXPECT_EQ(found.profile.description, wanted.profile.description);
  EXPECT_THAT(found.profile.tags, ElementsAre("one", "two"));
  EXPECT_EQ(found.profile.registered_at, at(1));
  EXPECT_EQ(found.owner, "abc");
  EXPECT_EQ(found.name_claim, "agent 1");
  EXPECT_EQ(found.status, agent_status::deprecated);
  EXPECT_EQ(found.card_text, wanted.card_text);
  EXPECT_EQ(found.card_etag, wanted.card_etag);
  EXPECT_EQ(found.card.skills.at(0).id, "translate");
  EXPECT_EQ(found.card.provider, "Acme & \"Sons\"");
  EXPECT_TRUE(found.is_split_host);
  EXPECT_EQ(found.sequence, created.sequence);
  EXPECT_EQ(found.change, 1);
  EXPECT_EQ(to_json(await(it->find_by_urn(wanted.urn)).value()), to_json(found));
  EXPECT_EQ(await(it->find(id(2))).error().why(), kind::not_found);
  EXPECT_EQ(await(it->find_by_urn("urn:air:x:agents:y")).error().why(), kind::not_found);
}

TEST_P(Catalog, EachClaimIsHeldByOneAgentWhoIsNamed) {
  create(agent(1));
  const auto expect = [&](agent_record record, const std::string& field) {
    const repository_error refused = refusal_of(std::move(record));
    EXPECT_EQ(refused.why(), kind::conflict);
    EXPECT_EQ(refused.field(), field);
    EXPECT_EQ(refused.holder(), id(1));
  };
  agent_record same_url = agent(2);
  same_url.profile.base_url = "HTTPS://Agent1.example:443/";
  expect(same_url, "base_url");
  agent_record same_id = agent(3);
  same_id.profile.agent_id = id(1);
  expect(same_id, "agent_id");
  expect(agent(1), "agent_id");
  agent_record same_name = agent(4);
  same_name.name_claim = "agent 1";
  expect(same_name, "agent_name");
  agent_record same_urn = agent(5);
  same_urn.urn = agent(1).urn;
  expect(same_urn, "urn");
  EXPECT_THAT(change_kinds(), ElementsAre(change_kind::registered));
}

TEST_P(Catalog, EmptyNamesAndUrnsClaimNothing) {
  for (unsigned i = 1; i <= 3; ++i) {
    agent_record record = agent(i);
    record.name_claim.clear();
    record.urn.clear();
    create(record);
  }
  EXPECT_EQ(await(it->find_by_urn("")).error().why(), kind::not_found);
}

TEST_P(Catalog, WhatCannotBeStoredIsInvalid) {
  agent_record no_url = agent(1);
  no_url.profile.base_url = "ftp://x.example";
  EXPECT_EQ(refusal_of(no_url).why(), kind::invalid);
  EXPECT_EQ(refusal_of(no_url).field(), "base_url");
  agent_record no_id = agent(1);
  no_id.profile.agent_id = "7";
  EXPECT_EQ(refusal_of(no_id).field(), "agent_id");
}

TEST_P(Catalog, WhyNotClaimSaysWhatCreateWould) {
  create(agent(1));
  agent_claims claims;
  claims.base_url_key = "https://agent1.example";
  auto refusal = await(it->why_not_claim(claims)).value();
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->field(), "base_url");
  EXPECT_EQ(refusal->holder(), id(1));
  EXPECT_FALSE(await(it->why_not_claim(claims, id(1))).value().has_value());
  claims = agent_claims();
  claims.agent_id = id(1);
  EXPECT_EQ(await(it->why_not_claim(claims)).value()->field(), "agent_id");
  claims = agent_claims();
  claims.name_claim = "agent 1";
  EXPECT_EQ(await(it->why_not_claim(claims)).value()->field(), "agent_name");
  claims = agent_claims();
  claims.urn = agent(1).urn;
  EXPECT_EQ(await(it->why_not_claim(claims)).value()->field(), "urn");
  EXPECT_FALSE(await(it->why_not_claim(agent_claims())).value().has_value());
}

TEST_P(Catalog, AReplacementGetsTheNextVersionAndKeepsWhatIsNotItsOwn) {
  agent_record first = agent(1);
  first.owner = "owner";
  create(first);
  await(it->touch(id(1), 30s, at(50))).value();
  agent_record changed = await(it->find(id(1))).value();
  changed.profile.description = "better";
  changed.profile.base_url = "https://moved.example";
  changed.profile.registered_at = at(99);
  changed.profile.last_updated_at = at(77);
  changed.owner = "thief";
  changed.urn = "urn:air:x:agents:y";
  changed.health = agent_health::unreachable;
  const agent_record stored = await(it->replace(changed, by("owner", at(77)))).value();
  EXPECT_EQ(stored.profile.version, 2);
  const agent_record found = await(it->find(id(1))).value();
  EXPECT_EQ(to_json(found), to_json(stored));
  EXPECT_EQ(found.profile.description, "better");
  EXPECT_EQ(found.profile.registered_at, at(1));
  EXPECT_EQ(found.profile.last_updated_at, at(77));
  EXPECT_EQ(found.owner, "owner");
  EXPECT_EQ(found.urn, first.urn);
  EXPECT_EQ(found.health, agent_health::healthy);
  agent_record at_old_url = agent(2);
  at_old_url.profile.base_url = agent(1).profile.base_url;
  create(at_old_url);
}

TEST_P(Catalog, AReplacementOfAnotherStateIsStaleAndOfNothingNotFound) {
  const agent_record state = create(agent(1));
  ASSERT_TRUE(await(it->replace(state, by("a"))));
  EXPECT_EQ(await(it->replace(state, by("b"))).error().why(), kind::stale);
  EXPECT_EQ(await(it->replace(agent(2), by("b"))).error().why(), kind::not_found);
  await(it->remove(id(1), std::nullopt, by("a"))).value();
  EXPECT_EQ(await(it->replace(state, by("b"))).error().why(), kind::not_found);
  EXPECT_THAT(change_kinds(),
              ElementsAre(change_kind::registered, change_kind::updated, change_kind::deleted));
}

TEST_P(Catalog, AReplacementMayNotTakeWhatAnotherAgentHolds) {
  create(agent(1));
  agent_record second = create(agent(2));
  second.profile.base_url = "https://agent1.example/";
  const auto refused = await(it->replace(second, by("a")));
  EXPECT_EQ(refused.error().field(), "base_url");
  EXPECT_EQ(refused.error().holder(), id(1));
  second.profile.base_url = agent(2).profile.base_url;
  second.name_claim = "agent 1";
  EXPECT_EQ(await(it->replace(second, by("a"))).error().field(), "agent_name");
  EXPECT_EQ(await(it->find(id(2))).value().profile.version, 1);
}

TEST_P(Catalog, ADeletedAgentIsATombstoneThatHoldsNothingButItsId) {
  create(agent(1));
  EXPECT_EQ(await(it->remove(id(1), 2, by("a"))).error().why(), kind::stale);
  const agent_record removed = await(it->remove(id(1), 1, by("a", at(500)))).value();
  EXPECT_EQ(removed.deleted_at, at(500));
  EXPECT_EQ(await(it->remove(id(1), std::nullopt, by("a"))).error().why(), kind::not_found);
  const agent_record found = await(it->find(id(1))).value();
  EXPECT_EQ(to_json(found), to_json(removed));
  EXPECT_THAT(to_json(found), AllOf(HasSubstr(R"("status":"deleted")"),
                                    HasSubstr(R"("deleted_at":"2023-11-14T22:13:20.500Z")")));
  EXPECT_EQ(await(it->find_by_urn(agent(1).urn)).value().profile.agent_id, id(1));

  agent_record heir = agent(2);
  heir.profile.base_url = agent(1).profile.base_url;
  heir.name_claim = agent(1).name_claim;
  heir.urn = agent(1).urn;
  create(heir);
  EXPECT_EQ(await(it->find_by_urn(agent(1).urn)).value().profile.agent_id, id(2));
  agent_record same_id = agent(3);
  same_id.profile.agent_id = id(1);
  EXPECT_EQ(refusal_of(same_id).field(), "agent_id");
  EXPECT_EQ(refusal_of(same_id).holder(), id(1));
}

TEST_P(Catalog, AnOwnerIsReplacedByRotation) {
  create(agent(1));
  EXPECT_EQ(await(it->rotate_owner(id(1), "new", by("a"))).value().owner, "new");
  EXPECT_EQ(await(it->find(id(1))).value().owner, "new");
  EXPECT_EQ(await(it->find(id(1))).value().profile.version, 1);
  EXPECT_EQ(await(it->rotate_owner(id(2), "new", by("a"))).error().why(), kind::not_found);
}

TEST_P(Catalog, ListsInEachOrder) {
  const std::array<const char*, 4> names{"b", "C", "a", "b"};
  for (unsigned i = 0; i < 4; ++i) {
    agent_record record = agent(i);
    record.profile.agent_name = names[i];
    record.profile.last_updated_at = at(i == 2 ? 900 : 100 - i);
    create(record);
  }
  search_query query;
  EXPECT_THAT(ids(query), ElementsAre(id(3), id(2), id(1), id(0)));
  query.sort = sort_order::updated;
  EXPECT_THAT(ids(query), ElementsAre(id(2), id(0), id(1), id(3)));
  query.ascending = true;
  EXPECT_THAT(ids(query), ElementsAre(id(3), id(1), id(0), id(2)));
  query.sort = sort_order::name;
  EXPECT_THAT(ids(query), ElementsAre(id(2), id(0), id(3), id(1)));
  query.offset = 1;
  query.limit = 2;
  const auto page = await(it->search(query)).value();
  ASSERT_EQ(page.agents.size(), 2U);
  EXPECT_EQ(page.agents[0].agent_id, id(0));
  EXPECT_TRUE(page.has_more);
  EXPECT_EQ(page.agents[0].json, to_json(await(it->find(id(0))).value()));
}

TEST_P(Catalog, PagesHaveEachSurvivorOnceWhileOthersComeAndGo) {
  for (const sort_order sort : {sort_order::registered, sort_order::updated, sort_order::name}) {
    for (const bool ascending : {false, true}) {
      it = nullptr;
      const temporary_folder folder;
      const auto own = GetParam().make(folder);
      for (unsigned i = 100; i < 120; ++i) {
        agent_record record = agent(i);
        record.profile.last_updated_at = at(i / 3);
        record.profile.agent_name = std::to_string(i / 3);
        ASSERT_TRUE(await(own->create(record, by("a"))));
      }
      search_query query;
      query.sort = sort;
      query.ascending = ascending;
      query.limit = 3;
      std::vector<std::string> seen;
      unsigned next = 200;
      for (bool has_more = true; has_more;) {
        const auto page = await(own->search(query)).value();
        for (const auto& each : page.agents) {
          seen.push_back(each.agent_id);
          query.after = each.position;
        }
        has_more = page.has_more;
        // One that was seen goes, and new ones come at both ends.
        await(own->remove(seen[seen.size() - 1], std::nullopt, by("a", at(40)))).value();
        for (const std::int64_t place : {0, 5000}) {
          agent_record record = agent(next++);
          record.profile.last_updated_at = at(place);
          record.profile.agent_name = place == 0 ? "0" : "z";
          if (next < 230) {
            ASSERT_TRUE(await(own->create(record, by("a"))));
          }
        }
      }
      for (unsigned i = 100; i < 120; ++i) {
        EXPECT_EQ(std::count(seen.begin(), seen.end(), id(i)), 1) << i;
      }
      EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size());
    }
  }
}

TEST_P(Catalog, FiltersBySomethingEqual) {
  agent_record first = with_card(1);
  first.profile.tags = {"red", "blue"};
  create(first);
  agent_record second = agent(2);
  second.profile.tags = {"red"};
  second.status = agent_status::deprecated;
  create(second);
  create(agent(3));
  await(it->touch(id(3), 30s, at(0))).value();

  const auto found_by = [&](auto set) {
    search_query query;
    set(query);
    auto by_registration = ids(query);
    query.sort = sort_order::name;
    query.ascending = false;
    EXPECT_EQ(ids(query), by_registration);
    return by_registration;
  };
  using q = search_query&;
  EXPECT_THAT(found_by([](q x) { x.tags = {"red"}; }), ElementsAre(id(2), id(1)));
  EXPECT_THAT(found_by([](q x) { x.tags = {"red", "blue"}; }), ElementsAre(id(1)));
  EXPECT_THAT(found_by([](q x) { x.tags = {"re"}; }), IsEmpty());
  EXPECT_THAT(found_by([](q x) { x.skill = "translate"; }), ElementsAre(id(1)));
  EXPECT_THAT(found_by([](q x) { x.capability = "streaming"; }), ElementsAre(id(1)));
  EXPECT_THAT(found_by([](q x) { x.provider = "Acme & \"Sons\""; }), ElementsAre(id(1)));
  EXPECT_THAT(found_by([](q x) { x.health = agent_health::healthy; }), ElementsAre(id(3)));
  EXPECT_THAT(found_by([](q x) { x.status = agent_status::deprecated; }), ElementsAre(id(2)));
  EXPECT_THAT(found_by([](q x) { x.base_url_key = "https://agent2.example"; }), ElementsAre(id(2)));
  EXPECT_THAT(found_by([](q x) { x.updated_since = at(2); }), ElementsAre(id(3), id(2)));
  EXPECT_THAT(found_by([](q x) {
                x.tags = {"red"};
                x.text = "agent 1";
                x.skill = "translate";
              }),
              ElementsAre(id(1)));
  await(it->remove(id(2), std::nullopt, by("a", at(2)))).value();
  EXPECT_THAT(found_by([](q x) { x.tags = {"red"}; }), ElementsAre(id(1)));
  EXPECT_THAT(found_by([](q x) {
                x.tags = {"red"};
                x.include_deleted = true;
              }),
              ElementsAre(id(2), id(1)));
  EXPECT_THAT(found_by([](q x) {
                x.status = agent_status::deprecated;
                x.include_deleted = true;
              }),
              IsEmpty());
}

TEST_P(Catalog, SearchesTheBeginningsOfWords) {
  agent_record record = with_card(1);
  record.profile.agent_name = "Weather-Bot";
  record.profile.description = "Tells tomorrow's weather; f\xc3\xbcr M\xc3\xbcnchen.";
  record.profile.tags = {"forecast"};
  create(record);
  create(agent(2));
  for (const std::string text : {"weather", "WEA", "bot weather", "tomorrow s", "fore", "translate",
                                 "language", "m\xc3\xbcnch", "\"weather", "weather*", "a OR"}) {
    if (text == "a OR") {
      EXPECT_THAT(ids_with_text(text), IsEmpty()) << text;
    } else {
      EXPECT_THAT(ids_with_text(text), ElementsAre(id(1))) << text;
    }
  }
  EXPECT_THAT(ids_with_text("eather"), IsEmpty());
  EXPECT_THAT(ids_with_text("weather snow"), IsEmpty());
  EXPECT_THAT(ids_with_text("  ;- "), ElementsAre(id(2), id(1)));
  EXPECT_THAT(ids_with_text(std::string(5000, 'x')), IsEmpty());

  agent_record changed = await(it->find(id(1))).value();
  changed.profile.agent_name = "Snow";
  changed.profile.description = "Tells " + std::string(5000, 'y');
  changed.profile.tags = {"winter"};
  await(it->replace(changed, by("a"))).value();
  EXPECT_THAT(ids_with_text("weather"), IsEmpty());
  EXPECT_THAT(ids_with_text("snow winter"), ElementsAre(id(1)));
  EXPECT_THAT(ids_with_text(std::string(5000, 'y')), ElementsAre(id(1)));
}

TEST_P(Catalog, CountsTheTagsOfLiveAgents) {
  for (unsigned i = 1; i <= 3; ++i) {
    agent_record record = agent(i);
    record.profile.tags = {"all", i == 1 ? "b" : "a", i == 3 ? "gone" : "all"};
    create(record);
  }
  await(it->remove(id(3), std::nullopt, by("a"))).value();
  const auto tags = await(it->tags(10)).value();
  ASSERT_EQ(tags.size(), 3U);
  EXPECT_EQ(tags[0].tag, "all");
  EXPECT_EQ(tags[0].agents, 2);
  EXPECT_EQ(tags[1].tag, "a");
  EXPECT_EQ(tags[2].tag, "b");
  EXPECT_EQ(tags[2].agents, 1);
  EXPECT_EQ(await(it->tags(1)).value().size(), 1U);
  agent_record changed = await(it->find(id(1))).value();
  changed.profile.tags = {"c"};
  await(it->replace(changed, by("a"))).value();
  EXPECT_EQ(await(it->tags(10)).value().size(), 3U);
}

TEST_P(Catalog, TellsEachChangeOnceAndWithoutGaps) {
  std::atomic<int> told = 0;
  it->on_change([&told] { ++told; });
  create(agent(1));
  refusal_of(agent(1));
  await(it->replace(await(it->find(id(1))).value(), by("a", at(5)))).value();
  create(agent(2));
  await(it->remove(id(1), std::nullopt, by("a"))).value();
  EXPECT_THAT(change_kinds(), ElementsAre(change_kind::registered, change_kind::updated,
                                          change_kind::registered, change_kind::deleted));
  const auto second = await(it->changes(1, 1)).value();
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].agent_id, id(1));
  EXPECT_EQ(second[0].version, 2);
  EXPECT_EQ(second[0].at, at(5));
  EXPECT_THAT(await(it->changes(4, 10)).value(), IsEmpty());
  EXPECT_EQ(await(it->find(id(2))).value().change, 3);
  await(it->close());
  EXPECT_GE(told, 4);
}

TEST_P(Catalog, KeepsAnAuditTrail) {
  create(agent(1));
  agent_record changed = await(it->find(id(1))).value();
  changed.profile.description = "changed";
  await(it->replace(changed, by("key 7", at(9)), "refresh")).value();
  await(it->rotate_owner(id(1), "x", by("owner"))).value();
  await(it->remove(id(1), std::nullopt, by("admin"))).value();
  const auto history = await(it->history(id(1), 10)).value();
  ASSERT_EQ(history.size(), 4U);
  EXPECT_EQ(history[0].action, "delete");
  EXPECT_EQ(history[0].after_json, "");
  EXPECT_EQ(history[1].action, "rotate");
  EXPECT_EQ(history[2].action, "refresh");
  EXPECT_EQ(history[2].actor, "key 7");
  EXPECT_EQ(history[2].at, at(9));
  EXPECT_EQ(history[2].request_id, "request 1");
  EXPECT_EQ(history[2].before_json, history[3].after_json);
  EXPECT_THAT(history[2].after_json, HasSubstr("changed"));
  EXPECT_EQ(history[3].action, "register");
  EXPECT_EQ(history[3].before_json, "");
  EXPECT_EQ(await(it->history(id(1), 1)).value().size(), 1U);
  EXPECT_THAT(await(it->history(id(2), 1)).value(), IsEmpty());
}

TEST_P(Catalog, AHeartbeatMakesHealthyUntilItIsMissed) {
  create(agent(1));
  EXPECT_EQ(await(it->touch(id(9), 30s, at(0))).error().why(), kind::not_found);
  EXPECT_EQ(await(it->touch(id(1), 30s, at(0))).value().health, agent_health::healthy);
  await(it->touch(id(1), 30s, at(10'000))).value();
  const auto expect = [&](std::int64_t now, agent_health health) {
    const auto swept = await(it->sweep(at(now), at(0), 0.15)).value();
    EXPECT_FALSE(swept.frozen);
    const agent_record found = await(it->find(id(1))).value();
    EXPECT_EQ(found.health, health) << now;
    EXPECT_EQ(found.profile.version, 1);
    return swept.stale + swept.unreachable;
  };
  EXPECT_EQ(expect(39'999, agent_health::healthy), 0U);
  EXPECT_EQ(expect(40'000, agent_health::stale), 1U);
  EXPECT_EQ(expect(40'000, agent_health::stale), 0U);
  EXPECT_EQ(expect(99'999, agent_health::stale), 0U);
  EXPECT_EQ(expect(100'000, agent_health::unreachable), 1U);
  EXPECT_EQ(expect(900'000, agent_health::unreachable), 0U);
  await(it->touch(id(1), 60s, at(900'000))).value();
  EXPECT_EQ(expect(900'001, agent_health::healthy), 0U);
  EXPECT_EQ(expect(1'080'000, agent_health::unreachable), 1U);
  EXPECT_THAT(change_kinds(1),
              ElementsAre(change_kind::health, change_kind::health, change_kind::health,
                          change_kind::health, change_kind::health));
  const auto page = await(it->search(search_query())).value();
  EXPECT_THAT(page.agents.at(0).json,
              AllOf(HasSubstr(R"("health":"unreachable")"), HasSubstr(R"("ttl_s":60)")));
  await(it->remove(id(1), std::nullopt, by("a"))).value();
  EXPECT_EQ(await(it->touch(id(1), 30s, at(0))).error().why(), kind::not_found);
}

TEST_P(Catalog, ARestartGivesAgentsAGrace) {
  create(agent(1));
  await(it->touch(id(1), 30s, at(0))).value();
  const auto health_after = [&](std::int64_t now) {
    await(it->sweep(at(now), at(200'000), 0.15)).value();
    return await(it->find(id(1))).value().health;
  };
  EXPECT_EQ(health_after(229'999), agent_health::healthy);
  EXPECT_EQ(health_after(230'000), agent_health::stale);
  EXPECT_EQ(health_after(289'999), agent_health::stale);
  EXPECT_EQ(health_after(290'000), agent_health::unreachable);
}

TEST_P(Catalog, NothingExpiresWhenTooManyWouldAtOnce) {
  for (unsigned i = 0; i < 40; ++i) {
    create(agent(i));
    await(it->touch(id(i), 30s, at(i < 6 ? 0 : 60'000))).value();
  }
  const std::int64_t before = await(it->last_change()).value();
  const auto frozen = await(it->sweep(at(31'000), at(0), 0.1)).value();
  EXPECT_TRUE(frozen.frozen);
  EXPECT_EQ(frozen.stale, 0U);
  EXPECT_EQ(await(it->last_change()).value(), before);
  EXPECT_EQ(await(it->find(id(0))).value().health, agent_health::healthy);
  // 6 of 40 are not more than 15 %; and 5 are never too many.
  const auto swept = await(it->sweep(at(31'000), at(0), 0.15)).value();
  EXPECT_FALSE(swept.frozen);
  EXPECT_EQ(swept.stale, 6U);
  for (unsigned i = 5; i < 40; ++i) {
    await(it->remove(id(i), std::nullopt, by("a"))).value();
  }
  EXPECT_EQ(await(it->sweep(at(91'000), at(0), 0.01)).value().unreachable, 5U);
}

TEST_P(Catalog, ACardThatWasFetchedIsToBeLookedAtAgainAndALookIsNoChange) {
  const auto due = [&](std::int64_t before, std::size_t limit = 10) {
    return await(it->cards_to_look_at(at(before), limit)).value();
  };
  const auto look = [&](unsigned number, std::int64_t now) {
    return await(it->looks_at_card(id(number), at(now))).value();
  };
  create(agent(1));
  create(with_card(2));
  agent_record given = with_card(3);
  given.card_url.clear();
  create(std::move(given));
  ASSERT_TRUE(await(it->create(with_card(4), by("a", at(500)))));
  EXPECT_THAT(due(0), IsEmpty());
  EXPECT_THAT(due(500), ElementsAre(id(2)));
  EXPECT_THAT(due(501), ElementsAre(id(2), id(4)));
  EXPECT_THAT(due(501, 1), ElementsAre(id(2)));

  const std::int64_t changes = await(it->last_change()).value();
  EXPECT_TRUE(look(2, 1000));
  EXPECT_FALSE(look(1, 1000)) << "it has no card";
  EXPECT_FALSE(look(3, 1000)) << "its card was given";
  EXPECT_FALSE(look(9, 1000)) << "there is no such agent";
  EXPECT_THAT(due(1001), ElementsAre(id(4), id(2)));
  EXPECT_EQ(await(it->find(id(2))).value().profile.version, 1);
  EXPECT_EQ(await(it->last_change()).value(), changes);

  // A change keeps the time, a card that is given instead takes it away, and one that is fetched
  // instead brings one.
  agent_record changed = await(it->find(id(2))).value();
  changed.profile.description = "another";
  changed = await(it->replace(std::move(changed), by("a", at(2000)))).value();
  EXPECT_THAT(due(1001), ElementsAre(id(4), id(2)));
  changed.card_url.clear();
  changed = await(it->replace(std::move(changed), by("a", at(2000)))).value();
  EXPECT_THAT(due(9000), ElementsAre(id(4)));
  changed.card_url = "https://agent.example/card.json";
  ASSERT_TRUE(await(it->replace(std::move(changed), by("a", at(3000)))));
  EXPECT_THAT(due(3000), ElementsAre(id(4)));
  EXPECT_THAT(due(3001), ElementsAre(id(4), id(2)));
  await(it->remove(id(4), std::nullopt, by("a"))).value();
  EXPECT_THAT(due(9000), ElementsAre(id(2)));
  EXPECT_FALSE(look(4, 9000));
}

TEST_P(Catalog, AReplyIsStoredWithTheChangeOrNotAtAll) {
  stored_reply reply;
  reply.scope = "me POST /v1/agents";
  reply.key = "k";
  reply.fingerprint = "f";
  reply.status = 201;
  reply.headers = "ETag: x\n";
  reply.body = "{}";
  reply.expires_at = at(1000);
  change_context context = by("a");
  context.reply = reply;
  ASSERT_TRUE(await(it->create(agent(1), context)));
  const auto found = await(it->find_reply(reply.scope, "k", at(999))).value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->fingerprint, "f");
  EXPECT_EQ(found->status, 201);
  EXPECT_EQ(found->headers, "ETag: x\n");
  EXPECT_EQ(found->body, "{}");
  EXPECT_EQ(found->expires_at, at(1000));
  EXPECT_FALSE(await(it->find_reply(reply.scope, "k", at(1000))).value().has_value());
  EXPECT_FALSE(await(it->find_reply("you", "k", at(0))).value().has_value());

  // A key that is taken: neither the reply nor the agent.
  const auto refused = await(it->create(agent(2), context));
  EXPECT_EQ(refused.error().why(), kind::conflict);
  EXPECT_EQ(await(it->find(id(2))).error().why(), kind::not_found);
  // An agent that is refused: no reply.
  context.reply->key = "other";
  EXPECT_FALSE(await(it->create(agent(1), context)));
  EXPECT_FALSE(await(it->find_reply(reply.scope, "other", at(0))).value().has_value());
  // A key that has expired is free.
  context.reply->key = "k";
  context.at = at(1000);
  EXPECT_TRUE(await(it->create(agent(3), context)));
  EXPECT_THAT(change_kinds(), ElementsAre(change_kind::registered, change_kind::registered));
}

TEST_P(Catalog, RepliesAreBoundedInTimeAndNumber) {
  const auto store = [&](const std::string& key, std::int64_t now, std::int64_t expires) {
    stored_reply reply;
    reply.scope = "s";
    reply.key = key;
    reply.body = std::to_string(now);
    reply.expires_at = at(expires);
    return await(it->store_reply(reply, at(now), 3)).value();
  };
  const auto body_of = [&](const std::string& key) {
    const auto found = await(it->find_reply("s", key, at(0))).value();
    return found ? found->body : "none";
  };
  EXPECT_TRUE(store("a", 0, 100));
  EXPECT_FALSE(store("a", 1, 100));
  EXPECT_EQ(body_of("a"), "0");
  EXPECT_TRUE(store("a", 100, 200));
  EXPECT_EQ(body_of("a"), "100");
  store("b", 100, 900);
  store("c", 100, 900);
  EXPECT_EQ(body_of("a"), "100");
  store("d", 100, 900);
  EXPECT_EQ(body_of("a"), "none");
  EXPECT_EQ(body_of("b"), "100");
  store("e", 900, 2000);
  EXPECT_EQ(body_of("d"), "none");
  EXPECT_EQ(body_of("e"), "900");
}

TEST_P(Catalog, KeepsKeys) {
  api_key key;
  key.id = "k1";
  key.sha256 = "hash";
  key.role = "admin";
  key.label = "me";
  key.created_at = at(3);
  EXPECT_TRUE(await(it->create_key(key)).value());
  EXPECT_FALSE(await(it->create_key(key)).value());
  auto found = await(it->find_key("hash")).value();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->id, "k1");
  EXPECT_EQ(found->role, "admin");
  EXPECT_EQ(found->label, "me");
  EXPECT_EQ(found->created_at, at(3));
  EXPECT_FALSE(found->revoked_at.has_value());
  EXPECT_FALSE(await(it->find_key("other")).value().has_value());
  EXPECT_TRUE(await(it->revoke_key("k1", at(5))).value());
  EXPECT_TRUE(await(it->revoke_key("k1", at(6))).value());
  EXPECT_FALSE(await(it->revoke_key("k2", at(5))).value());
  EXPECT_EQ(await(it->find_key("hash")).value()->revoked_at, at(5));
  key.id = "k2";
  key.sha256 = "hash 2";
  await(it->create_key(key)).value();
  const auto keys = await(it->keys()).value();
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].id, "k1");
  EXPECT_EQ(keys[1].id, "k2");
}

TEST_P(Catalog, HasASecretOfItsOwn) {
  const std::string secret = await(it->secret()).value();
  EXPECT_EQ(secret.size(), 32U);
  EXPECT_EQ(await(it->secret()).value(), secret);
  const temporary_folder folder;
  it = nullptr;
  const auto other = GetParam().make(folder);
  EXPECT_NE(await(other->secret()).value(), secret);
}

TEST_P(Catalog, IsWritableAgainAndAgain) {
  EXPECT_TRUE(await(it->check_writable()).value());
  EXPECT_TRUE(await(it->check_writable()).value());
}

TEST_P(Catalog, OfAThousandConcurrentCreatesOfOneUrlExactlyOneWins) {
  int won = 0;
  std::set<std::string> holders;
  std::string winner;
  for (unsigned i = 1; i <= 1000; ++i) {
    agent_record record = agent(i);
    record.profile.base_url = i % 2 == 0 ? "https://one.example" : "https://ONE.example:443/";
    const auto done = [&](const std::exception_ptr& failure,
                          const marketplace::repository_result<agent_record>& result) {
      ASSERT_EQ(failure, nullptr);
      if (result) {
        ++won;
        winner = result->profile.agent_id;
      } else {
        EXPECT_EQ(result.error().field(), "base_url");
        holders.insert(result.error().holder());
      }
    };
    boost::asio::co_spawn(await.context(), it->create(record, by("a")), done);
  }
  await.run();
  EXPECT_EQ(won, 1);
  EXPECT_THAT(holders, ElementsAre(winner));
  EXPECT_THAT(change_kinds(), ElementsAre(change_kind::registered));
}

TEST_P(Catalog, ConcurrentCreatesThatClaimCrosswiseAllEnd) {
  int won = 0;
  for (unsigned i = 0; i < 200; ++i) {
    agent_record record = agent(i);
    record.profile.base_url = agent(i % 10).profile.base_url;
    record.name_claim = agent((i + i / 10) % 10).name_claim;
    boost::asio::co_spawn(await.context(), it->create(record, by("a")),
                          [&won](const std::exception_ptr&,
                                 const marketplace::repository_result<agent_record>& result) {
                            won += result ? 1 : 0;
                          });
  }
  await.run();
  EXPECT_EQ(won, 10);
  EXPECT_EQ(change_kinds().size(), 10U);
}

TEST_P(Catalog, ThoseThatAreRefusedAmongOthersLeaveNoGapInTheFeed) {
  create(agent(100));
  unsigned won = 0;
  for (unsigned i = 0; i < 40; ++i) {
    agent_record record = agent(i);
    if (i % 2 == 0) {
      record.profile.base_url = agent(100).profile.base_url;
    }
    boost::asio::co_spawn(await.context(), it->create(record, by("a")),
                          [&won](const std::exception_ptr&,
                                 const marketplace::repository_result<agent_record>& result) {
                            won += result ? 1U : 0U;
                          });
  }
  await.run();
  EXPECT_EQ(won, 20U);
  EXPECT_EQ(change_kinds().size(), 21U);
}

TEST_P(Catalog, OfConcurrentCreatesWithOneReplysKeyOneIsStoredAndAllWithoutOneAre) {
  stored_reply reply;
  reply.scope = "s";
  reply.key = "k";
  reply.expires_at = at(1000);
  unsigned won_with_reply = 0;
  unsigned won_without = 0;
  for (unsigned i = 0; i < 40; ++i) {
    marketplace::change_context context = by("a");
    unsigned* const won = i % 2 == 0 ? &won_with_reply : &won_without;
    if (i % 2 == 0) {
      context.reply = reply;
    }
    boost::asio::co_spawn(await.context(), it->create(agent(i), context),
                          [won](const std::exception_ptr&,
                                const marketplace::repository_result<agent_record>& result) {
                            *won += result ? 1U : 0U;
                          });
  }
  await.run();
  EXPECT_EQ(won_with_reply, 1U);
  EXPECT_EQ(won_without, 20U);
  EXPECT_EQ(ids(search_query()).size(), 21U);
  EXPECT_EQ(change_kinds().size(), 21U);
}

TEST_P(Catalog, AWriteThatIsCancelledHasHappenedWhenItReturns) {
  boost::asio::cancellation_signal cancel;
  bool has_returned = false;
  bool is_stored = false;
  boost::asio::co_spawn(
      await.context(), it->create(agent(1), by("a")),
      boost::asio::bind_cancellation_slot(
          cancel.slot(), [&](const std::exception_ptr& failure,
                             const marketplace::repository_result<agent_record>& result) {
            has_returned = true;
            is_stored = failure == nullptr && result;
          }));
  await.context().poll_one();  // it has begun
  cancel.emit(boost::asio::cancellation_type::terminal);
  await.run();
  EXPECT_TRUE(has_returned);
  EXPECT_TRUE(is_stored);
  EXPECT_TRUE(await(it->find(id(1))));
}

TEST_P(Catalog, TheNarrowInterfaceKnowsTheLiveAgentsOnly) {
  create(with_card(1));
  create(agent(2));
  marketplace::agent_repository& narrow = *it;
  std::string upper = id(1);
  upper.back() = 'A';
  marketplace::agent_profile profile = await(narrow.get_agent(upper)).value();
  EXPECT_EQ(profile.agent_id, id(1));
  profile.description = "updated";
  EXPECT_EQ(await(narrow.update_agent(id(1), profile)).value().version, 2);
  EXPECT_EQ(await(it->find(id(1))).value().card_text, with_card(1).card_text) << "its card is gone";
  EXPECT_EQ(await(narrow.list_agents(10, 1)).value().at(0).description, "updated");
  await(it->remove(id(1), std::nullopt, by("a"))).value();
  EXPECT_EQ(await(narrow.get_agent(id(1))).error().why(), kind::not_found);
  EXPECT_FALSE(await(narrow.agent_exists(id(1))).value());
  EXPECT_TRUE(await(narrow.agent_exists(id(2))).value());
  EXPECT_EQ(await(narrow.update_agent(id(1), profile)).error().why(), kind::not_found);
}

INSTANTIATE_TEST_SUITE_P(Of, Catalog, testing::ValuesIn(catalogs()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace marketplace_test
