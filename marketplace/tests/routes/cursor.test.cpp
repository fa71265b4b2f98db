// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "serving.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace {

namespace json = boost::json;
using marketplace::list_position;
using marketplace::http::problem;
using marketplace_test::json_of;
using marketplace_test::serving;

class Cursor : public testing::Test {
 public:
  serving it;

  bool is_of(const std::string& cursor, const std::string& list) {
    try {
      return it.one.position_of(cursor, list).sequence >= 0;
    } catch (const problem& what) {
      EXPECT_EQ(what.status(), 400U);
      return false;
    }
  }
};

TEST_F(Cursor, SaysWhereTheListGoesOn) {
  for (const std::string& value : {std::string(), std::string("1700000000000"),
                                   std::string("a name of several words"), std::string("ä\n")}) {
    const std::string cursor = it.one.cursor_of({value, 42}, "list");
    const list_position position = it.one.position_of(cursor, "list");
    EXPECT_EQ(position.value, value);
    EXPECT_EQ(position.sequence, 42);
    EXPECT_EQ(cursor.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
              std::string::npos);
  }
}

TEST_F(Cursor, IsOfItsListOnly) {
  const std::string cursor = it.one.cursor_of({"x", 1}, "tag=a&");
  EXPECT_TRUE(is_of(cursor, "tag=a&"));
  EXPECT_FALSE(is_of(cursor, "tag=b&"));
  EXPECT_FALSE(is_of(cursor, ""));
}

TEST_F(Cursor, OfAnotherMarketplaceIsNone) {
  marketplace::service other(it.storage, it.agents, it.guard, it.cards, it.measured,
                             marketplace_test::no_limits(), std::string(32, 'o'));
  EXPECT_FALSE(is_of(other.cursor_of({"x", 1}, "list"), "list"));
}

TEST_F(Cursor, ThatWasEditedIsNone) {
  const std::string cursor = it.one.cursor_of({"value", 7}, "list");
  for (std::size_t i = 0; i < cursor.size(); ++i) {
    std::string edited = cursor;
    edited[i] = edited[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(is_of(edited, "list")) << i;
    EXPECT_FALSE(is_of(cursor.substr(0, i), "list")) << i;
  }
  EXPECT_FALSE(is_of(cursor + "A", "list"));
  EXPECT_FALSE(is_of("", "list"));
  EXPECT_FALSE(is_of("no cursor", "list"));
  EXPECT_FALSE(is_of(std::string(5000, 'A'), "list"));
}

// All pages of /v1/agents, with agents that come and go in between.
TEST_F(Cursor, LeadsThroughAListThatChanges) {
  const auto add = [this](int n) {
    const std::string number = std::to_string(n);
    return std::string(
        json_of(it.post("/v1/agents", R"({"agent_name":"","base_url":"https://a)" + number +
                                          R"(.example.com","description":")" + number + "\"}"))
            .at("owner_token")
            .as_string());
  };
  std::string last_token;
  for (int n = 0; n < 10; ++n) {
    last_token = add(n);
  }
  std::multiset<std::string> seen;
  std::string cursor;
  for (int page = 0; page == 0 || !cursor.empty(); ++page) {
    const json::value list =
        json_of(it.get("/v1/agents?limit=3" + (cursor.empty() ? "" : "&cursor=" + cursor)));
    for (const json::value& each : list.at("agents").as_array()) {
      seen.emplace(each.at("description").as_string());
      if (each.at("description") == "9") {  // the first of all goes as soon as it was seen
        EXPECT_EQ(it.ask("DELETE", "/v1/agents/" + std::string(each.at("agent_id").as_string()), "",
                         {{"authorization", "Bearer " + last_token}})
                      .status,
                  204U);
      }
    }
    add(100 + page);
    cursor =
        list.at("next_cursor").is_null() ? "" : std::string(list.at("next_cursor").as_string());
  }
  EXPECT_EQ(seen, (std::multiset<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}));
}

TEST_F(Cursor, OfAnotherQueryIsABadRequest) {
  for (int n = 0; n < 3; ++n) {
    it.post("/v1/agents", R"({"agent_name":"","base_url":"https://a)" + std::to_string(n) +
                              R"(.example.com","description":"d"})");
  }
  const std::string cursor(json_of(it.get("/v1/agents?limit=2")).at("next_cursor").as_string());
  EXPECT_EQ(it.get("/v1/agents?limit=1&cursor=" + cursor).status, 200U);
  EXPECT_EQ(it.get("/v1/agents?limit=2&sort=name&cursor=" + cursor).status, 400U);
  EXPECT_EQ(it.get("/v1/agents?limit=2&cursor=x" + cursor).status, 400U);
}

}  // namespace
