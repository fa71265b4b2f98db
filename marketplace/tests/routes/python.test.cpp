// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "serving.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <string>

namespace {

namespace json = boost::json;
using marketplace_test::header_of;
using marketplace_test::json_of;
using marketplace_test::serving;

constexpr const char* id = "123e4567-e89b-42d3-a456-426614174000";

json::object wish(const std::string& name) {
  return {{"agent_id", id},
          {"agent_name", name},
          {"base_url", "https://" + name + ".example.com"},
          {"description", "does things"},
          {"tags", {"one", "two"}}};
}

std::string text(const json::object& of) {
  return json::serialize(of);
}

// "body.agent_name missing"
std::string told(const marketplace::http::response& answer) {
  std::string all;
  const json::value body = json_of(answer);
  for (const json::value& each : body.at("detail").as_array()) {
    for (const json::value& part : each.at("loc").as_array()) {
      all += (part.is_string() ? std::string(part.get_string()) : json::serialize(part)) + ".";
    }
    all.back() = ' ';
    all += std::string(each.at("type").as_string()) + "; ";
    EXPECT_FALSE(each.at("msg").as_string().empty());
  }
  return all;
}

TEST(PythonRoutes, RegisteringAnswersWithIdAndVersion) {
  serving it;
  const auto answer = it.post("/register", text(wish("first")));
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body,
            R"({"status":"success","agent_id":")" + std::string(id) + R"(","version":1})");
  EXPECT_EQ(header_of(answer, "X-Owner-Token").substr(0, 3), "mo_");
}

TEST(PythonRoutes, TheOwnerTokenOfTheHeaderIsTheAgents) {
  serving it;
  const std::string token = header_of(it.post("/register", text(wish("first"))), "X-Owner-Token");
  EXPECT_EQ(
      it.ask("DELETE", "/v1/agents/" + std::string(id), "", {{"authorization", "Bearer " + token}})
          .status,
      204U);
}

TEST(PythonRoutes, AConflictIsADetailWithCodeAndMessage) {
  serving it;
  json::object first = wish("first");
  it.post("/register", text(first));
  const auto expect_conflict = [&it](const json::object& body, const std::string& in_message) {
    const auto answer = it.post("/register", text(body));
    EXPECT_EQ(answer.status, 409U);
    const json::value detail = json_of(answer).at("detail");
    EXPECT_EQ(detail.at("error_code"), "AGENT_ALREADY_REGISTERED");
    EXPECT_NE(detail.at("message").as_string().find(in_message), std::string::npos)
        << detail.at("message");
  };
  expect_conflict(first, "agent_id");
  first.erase("agent_id");
  expect_conflict(first, "base_url");
  json::object other = wish("other");
  expect_conflict(other, "agent_id");
  other.erase("agent_id");
  other["agent_name"] = "first";
  expect_conflict(other, "already taken");
}

TEST(PythonRoutes, TheOwnersIdenticalRepeatIsAConflictToo) {
  serving it;
  const std::string body = text(wish("first"));
  const std::string token = header_of(it.post("/register", body), "X-Owner-Token");
  const auto again = it.ask("POST", "/register", body, {{"authorization", "Bearer " + token}});
  EXPECT_EQ(again.status, 409U);
}

TEST(PythonRoutes, EmptyNamesMayRepeat) {
  serving it;
  for (const char* host : {"a", "b"}) {
    json::object body = wish(host);
    body.erase("agent_id");
    body["agent_name"] = "";
    EXPECT_EQ(it.post("/register", text(body)).status, 200U);
  }
}

TEST(PythonRoutes, WhatIsWrongIsToldInFastApisShape) {
  serving it;
  const auto refused = [&it](const std::string& body) {
    const auto answer = it.post("/register", body);
    EXPECT_EQ(answer.status, 422U) << body;
    EXPECT_EQ(answer.content_type, "application/json");
    return told(answer);
  };
  EXPECT_EQ(refused("{}"),
            "body.agent_name missing; body.base_url missing; body.description missing; ");
  EXPECT_EQ(refused("{"), "body json_invalid; ");
  EXPECT_EQ(refused(" "), "body json_invalid; ");
  EXPECT_EQ(refused("[]"), "body model_attributes_type; ");
  const auto with = [](const char* member, const json::value& value) {
    json::object body = wish("x");
    body[member] = value;
    return text(body);
  };
  EXPECT_EQ(refused(with("agent_name", 7)), "body.agent_name string_type; ");
  EXPECT_EQ(refused(with("base_url", nullptr)), "body.base_url string_type; ");
  EXPECT_EQ(refused(with("base_url", "http://example.com")), "body.base_url value_error; ");
  EXPECT_EQ(refused(with("agent_id", "x")), "body.agent_id string_pattern_mismatch; ");
  EXPECT_EQ(refused(with("description", "")), "body.description value_error; ");
  EXPECT_EQ(refused(with("tags", "one")), "body.tags list_type; ");
  EXPECT_EQ(refused(with("tags", json::array{"a", 1})), "body.tags.1 string_type; ");
  EXPECT_EQ(refused(with("tags", json::array{"a", "!?"})), "body.tags.1 value_error; ");
  EXPECT_EQ(it.get("/register/new_entries").body, "[]");
}

TEST(PythonRoutes, NullAndUnknownMembersAreAsIfAbsent) {
  serving it;
  json::object body = wish("first");
  body["agent_id"] = nullptr;
  body["tags"] = nullptr;
  body["colour"] = "red";
  EXPECT_EQ(it.post("/register", text(body)).status, 200U);
}

TEST(PythonRoutes, ATagThatIsNoneBecomesOne) {
  serving it;
  json::object body = wish("first");
  body["tags"] = {" Machine Learning ", "machine-learning", "C#", "a.b+c/d", "Grüße"};
  EXPECT_EQ(it.post("/register", text(body)).status, 200U);
  const json::value list = json_of(it.get("/register/new_entries"));
  EXPECT_EQ(list.at(0).at("tags"), (json::array{"machine-learning", "c", "a.b+c/d", "grüße"}));
}

TEST(PythonRoutes, TheListIsABareArrayOfProfilesTheNewestFirst) {
  serving it;
  for (const char* name : {"a", "b", "c"}) {
    json::object body = wish(name);
    body.erase("agent_id");
    it.post("/register", text(body));
  }
  const json::value all = json_of(it.get("/register/new_entries"));
  ASSERT_EQ(all.as_array().size(), 3U);
  const json::object& newest = all.at(0).as_object();
  EXPECT_EQ(newest.at("agent_name"), "c");
  EXPECT_EQ(newest.size(), 8U);
  for (const char* member : {"agent_id", "agent_name", "base_url", "description", "tags", "version",
                             "registered_at", "last_updated_at"}) {
    EXPECT_TRUE(newest.contains(member)) << member;
  }
  const auto names = [&it](const std::string& query) {
    std::string all_names;
    const json::value list = json_of(it.get("/register/new_entries?" + query));
    for (const json::value& each : list.as_array()) {
      all_names += each.at("agent_name").as_string();
    }
    return all_names;
  };
  EXPECT_EQ(names("limit=2"), "cb");
  EXPECT_EQ(names("limit=2&offset=1"), "ba");
  EXPECT_EQ(names("limit=0"), "");
  EXPECT_EQ(names("offset=3&nobody=knows"), "");
}

TEST(PythonRoutes, LimitAndOffsetHaveBounds) {
  serving it;
  const auto refused = [&it](const std::string& query) {
    const auto answer = it.get("/register/new_entries?" + query);
    EXPECT_EQ(answer.status, 422U) << query;
    return told(answer);
  };
  EXPECT_EQ(refused("limit=x"), "query.limit int_parsing; ");
  EXPECT_EQ(refused("limit="), "query.limit int_parsing; ");
  EXPECT_EQ(refused("limit=-1"), "query.limit greater_than_equal; ");
  EXPECT_EQ(refused("limit=1001"), "query.limit less_than_equal; ");
  EXPECT_EQ(refused("limit=99999999999999999999"), "query.limit less_than_equal; ");
  EXPECT_EQ(refused("limit=-1&offset=1e3"),
            "query.limit greater_than_equal; query.offset int_parsing; ");
}

TEST(PythonRoutes, TheLimitOfRegistrationsIsToldWithoutADetailAndSparesTheList) {
  marketplace::limit_options limits = marketplace_test::no_limits();
  limits.register_agent.quota = 1;
  serving it(limits);
  EXPECT_EQ(it.post("/register", text(wish("first"))).status, 200U);
  const auto refused = it.post("/register", text(wish("second")));
  EXPECT_EQ(refused.status, 429U);
  EXPECT_EQ(json_of(refused).at("error_code"), "RATE_LIMIT_EXCEEDED");
  EXPECT_TRUE(json_of(refused).at("message").is_string());
  EXPECT_FALSE(json_of(refused).as_object().contains("detail"));
  EXPECT_FALSE(header_of(refused, "Retry-After").empty());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(it.get("/register/new_entries").status, 200U);
  }
}

TEST(PythonRoutes, AClosedMarketplaceAsksForAKey) {
  marketplace::access_options guards;
  guards.closed = true;
  serving it(marketplace_test::no_limits(), guards);
  const auto refused = it.post("/register", text(wish("first")));
  EXPECT_EQ(refused.status, 401U);
  EXPECT_EQ(json_of(refused).at("detail").at("error_code"), "UNAUTHENTICATED");
}

}  // namespace
