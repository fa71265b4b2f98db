// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include "serving.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace {

namespace json = boost::json;
using marketplace::http::percent_encoded;
using marketplace::http::response;
using marketplace_test::header_of;
using marketplace_test::json_of;
using marketplace_test::serving;

constexpr const char* card = R"({
  "name": "Forecaster", "description": "Forecasts", "version": "1.2.3",
  "protocolVersion": "0.3.0", "url": "https://forecaster.example.com/a2a",
  "preferredTransport": "JSONRPC", "capabilities": {}, "defaultInputModes": ["text/plain"],
  "defaultOutputModes": ["text/plain"],
  "provider": {"organization": "Acme", "url": "https://acme.example.org"},
  "skills": [
    {"id": "forecast", "name": "Forecast the wind", "description": "d", "tags": ["wind"]},
    {"id": "tides", "name": "Tell the tides", "description": "d", "tags": ["sea"]}]})";

json::object add(serving& it, const std::string& name, const std::string& description,
                 const json::array& tags = {}, const char* with_card = nullptr) {
  json::object body({{"agent_name", name},
                     {"base_url", "https://" + name + ".example.com/a2a"},
                     {"description", description},
                     {"tags", tags}});
  if (with_card != nullptr) {
    body["card"] = json::parse(with_card);
  }
  const response made = it.post("/v1/agents", json::serialize(body));
  EXPECT_EQ(made.status, 201U) << made.body;
  return json_of(made).as_object();
}

std::string urn_of(const json::object& agent) {
  return std::string(agent.at("urn").as_string());
}

json::object searched(serving& it, const std::string& body) {
  const response answer = it.post("/api/ard/search", body);
  EXPECT_EQ(answer.status, 200U) << answer.body;
  return json_of(answer).as_object();
}

// "barometer forecaster", sorted
std::string names(const json::value& entries) {
  std::set<std::string> sorted;
  for (const json::value& each : entries.as_array()) {
    sorted.emplace(each.at("displayName").as_string());
  }
  std::string all;
  for (const std::string& each : sorted) {
    all += (all.empty() ? "" : " ") + each;
  }
  return all;
}

void expect_error(const response& answer, unsigned status, const std::string& code) {
  EXPECT_EQ(answer.status, status) << answer.body;
  EXPECT_EQ(answer.content_type, "application/json");
  const json::object body = json_of(answer).as_object();
  EXPECT_EQ(body.size(), 2U);
  EXPECT_EQ(body.at("errorCode"), json::value(code)) << answer.body;
  EXPECT_FALSE(body.at("message").as_string().empty());
}

// ----- entries

TEST(ArdRoutes, AnEntryIsWhatIsKnownOfTheAgentAndItsCard) {
  serving it;
  const json::object agent = add(it, "forecaster", "Weather for sailors", {"weather"}, card);
  const std::string id(agent.at("agent_id").as_string());
  EXPECT_EQ(urn_of(agent), "urn:air:acme.example.org:agents:forecaster");
  const response answer = it.get("/api/ard/agents/" + percent_encoded(urn_of(agent)));
  EXPECT_EQ(answer.status, 200U);
  const json::object entry = json_of(answer).as_object();
  EXPECT_EQ(entry.at("identifier"), json::value(urn_of(agent)));
  EXPECT_EQ(entry.at("displayName"), "forecaster");
  EXPECT_EQ(entry.at("type"), "application/a2a-agent-card+json");
  EXPECT_EQ(entry.at("url"),
            json::value("http://registry.example.com:8080/v1/agents/" + id + "/card"));
  EXPECT_EQ(entry.at("capabilities"), (json::array{"forecast", "tides"}));
  EXPECT_EQ(entry.at("representativeQueries"),
            (json::array{"Forecast the wind", "Tell the tides"}));
  EXPECT_EQ(entry.at("version"), "1.2.3");
  EXPECT_EQ(entry.at("updatedAt"), agent.at("last_updated_at"));
  EXPECT_EQ(entry.at("metadata").at("agentId"), json::value(id));
  EXPECT_FALSE(entry.contains("score"));
  EXPECT_FALSE(entry.contains("source"));
  EXPECT_FALSE(entry.contains("data"));
}

TEST(ArdRoutes, WithoutACardTheUrlIsWhereAClientWouldLookForOne) {
  serving it;
  const json::object agent = add(it, "plain", "p");
  const json::value entry = json_of(it.get("/api/ard/agents/" + urn_of(agent)));
  EXPECT_EQ(entry.at("url"), "https://plain.example.com/a2a/.well-known/agent-card.json");
  EXPECT_FALSE(entry.as_object().contains("representativeQueries"));
}

TEST(ArdRoutes, AnAgentWithoutANameIsShownByItsUrl) {
  serving it;
  const response made = it.post(
      "/v1/agents", R"({"agent_name":"","base_url":"https://a.example.com","description":"d"})");
  const json::value entry = json_of(it.get("/api/ard/agents/" + urn_of(json_of(made).as_object())));
  EXPECT_EQ(entry.at("displayName"), "https://a.example.com");
}

TEST(ArdRoutes, AnIdentifierIsDecodedOnceAndComparedExactly) {
  serving it;
  const json::object agent = add(it, "one", "o");
  const std::string urn = urn_of(agent);
  const std::string path = "/api/ard/agents/";
  const response answer = it.get(path + "urn%3Aair%3aone.example.com%3Aagents%3Aone");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(it.get(path + urn).body, answer.body);
  expect_error(it.get(path + "urn%253Aair%253Aone.example.com%253Aagents%253Aone"), 400,
               "INVALID_ARGUMENT");
  expect_error(it.get(path + "urn:air:one.example.com:agents:ONE"), 404, "NOT_FOUND");
  for (const char* bad : {"URN:AIR:one.example.com:agents:one", "urn%3", "urn%zz", "urn%3Aair%ff",
                          "x", "urn:air:one.example.com", "urn:air::x", "urn:air:a:b:",
                          "urn:air:a::b", "urn:air:a_b:c", "urn:air:a:b%20c", "urn:uuid:123"}) {
    expect_error(it.get(path + bad), 400, "INVALID_ARGUMENT");
  }
  const response nobody = it.get(path + "urn:air:nobody.example:agents:x_y");
  expect_error(nobody, 404, "NOT_FOUND");
  EXPECT_EQ(header_of(nobody, "Cache-Control"), "no-cache");

  const std::string token(agent.at("owner_token").as_string());
  it.ask("DELETE", "/v1/agents/" + std::string(agent.at("agent_id").as_string()), "",
         {{"authorization", "Bearer " + token}});
  expect_error(it.get(path + urn), 404, "NOT_FOUND");
}

TEST(ArdRoutes, AnEntryThatTheClientHasIsNotSentAgain) {
  serving it;
  const std::string path = "/api/ard/agents/" + urn_of(add(it, "one", "o"));
  const std::string etag = header_of(it.get(path), "ETag");
  const response again = it.get(path, {{"if-none-match", "\"x\", W/" + etag}});
  EXPECT_EQ(again.status, 304U);
  EXPECT_EQ(again.body, "");
  EXPECT_EQ(header_of(again, "ETag"), etag);
}

TEST(ArdRoutes, AStrangeHostIsRefusedAndThePublicUrlNeedsNone) {
  serving it;
  const std::string path = "/api/ard/agents/" + urn_of(add(it, "forecaster", "f", {}, card));
  expect_error(it.get(path, {{"host", "a\"b"}}), 400, "INVALID_ARGUMENT");
  it.one.public_url = "https://agents.example.net";
  const json::value entry = json_of(it.get(path, {{"host", "a\"b"}}));
  EXPECT_TRUE(entry.at("url").as_string().starts_with("https://agents.example.net/v1/agents/"));
}

TEST(ArdRoutes, EveryAgentHasAnIdentifierOfTheStandardsForm) {
  serving it;
  json::object odd = json::parse(card).as_object();
  odd["provider"].as_object()["url"] = "https://[a b]_\"c:d/";
  std::vector<std::string> urns{urn_of(add(it, "odd", "o", {}, json::serialize(odd).c_str()))};
  for (const char* url :
       {"https://[2001:db8::1]", "https://a_b.example.com", "http://localhost:1"}) {
    const response made =
        it.post("/v1/agents", json::serialize(json::object(
                                  {{"agent_name", ""}, {"base_url", url}, {"description", "d"}})));
    ASSERT_EQ(made.status, 201U) << made.body;
    urns.push_back(urn_of(json_of(made).as_object()));
  }
  for (const std::string& urn : urns) {
    EXPECT_EQ(it.get("/api/ard/agents/" + percent_encoded(urn)).status, 200U) << urn;
  }
}

// ----- the document

TEST(ArdRoutes, TheDocumentIsOneAtBothPathsAndNamesTheRegistryFirst) {
  serving it;
  const json::object agent = add(it, "forecaster", "f", {}, card);
  add(it, "plain", "p");
  const response first = it.get("/.well-known/ai-catalog.json");
  EXPECT_EQ(first.status, 200U);
  EXPECT_EQ(first.content_type, "application/ai-catalog+json");
  EXPECT_EQ(it.get("/.well-known/ard.json").body, first.body);
  const json::value document = json_of(first);
  EXPECT_EQ(document.at("specVersion"), "1.0");
  EXPECT_TRUE(document.at("host").at("displayName").is_string());
  const json::array& entries = document.at("entries").as_array();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].at("type"), "application/ai-registry+json");
  EXPECT_EQ(entries[0].at("url"), "http://registry.example.com:8080/api/ard");
  EXPECT_EQ(entries[0].at("identifier"), "urn:air:registry.example.com:registry:marketplace");
  EXPECT_EQ(entries[1].at("displayName"), "plain");
  EXPECT_EQ(entries[2], json_of(it.get("/api/ard/agents/" + urn_of(agent))));
}

TEST(ArdRoutes, TheDocumentIsMadeAgainWhenSomethingChanged) {
  serving it;
  const std::string path = "/.well-known/ard.json";
  const std::string empty = header_of(it.get(path), "ETag");
  EXPECT_EQ(it.get(path, {{"if-none-match", empty}}).status, 304U);
  const json::object agent = add(it, "one", "o");
  const response with_one = it.get(path, {{"if-none-match", empty}});
  EXPECT_EQ(with_one.status, 200U);
  EXPECT_NE(with_one.body.find(urn_of(agent)), std::string::npos);
  const std::string token(agent.at("owner_token").as_string());
  it.ask("DELETE", "/v1/agents/" + std::string(agent.at("agent_id").as_string()), "",
         {{"authorization", "Bearer " + token}});
  EXPECT_EQ(header_of(it.get(path), "ETag"), empty);
}

TEST(ArdRoutes, TheDocumentHasTheNewestThousand) {
  serving it;
  for (int i = 0; i < 1005; ++i) {
    add(it, "agent-" + std::to_string(i), "d");
  }
  const json::value document = json_of(it.get("/.well-known/ard.json"));
  const json::array& entries = document.at("entries").as_array();
  ASSERT_EQ(entries.size(), 1001U);
  EXPECT_EQ(entries[1].at("displayName"), "agent-1004");
  EXPECT_EQ(entries[1000].at("displayName"), "agent-5");
}

TEST(ArdRoutes, TheDocumentOfAnotherHostHasAnotherETag) {
  serving it;
  const std::string path = "/.well-known/ard.json";
  const response here = it.get(path);
  const response there = it.get(path, {{"host", "localhost:1"}});
  EXPECT_NE(header_of(here, "ETag"), header_of(there, "ETag"));
  EXPECT_EQ(json_of(there).at("entries").at(0).at("identifier"),
            "urn:air:registry.internal:registry:marketplace");
}

// ----- search

void add_some(serving& it) {
  add(it, "forecaster", "Weather forecasts for sailors", {"weather", "europe"}, card);
  add(it, "barometer", "Weather readings of today", {"weather", "asia"});
  add(it, "translator", "Translates between languages", {"language"});
}

TEST(ArdRoutes, ASearchFindsWhatHasAnyOfTheWordsAndRanksThem) {
  serving it;
  add_some(it);
  const json::object page =
      searched(it, R"({"query":{"text":"Find me a weather forecast for sailors"}})");
  const json::array& results = page.at("results").as_array();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].at("displayName"), "forecaster");
  EXPECT_GT(results[0].at("score").as_int64(), results[1].at("score").as_int64());
  for (const json::value& each : results) {
    EXPECT_GE(each.at("score").as_int64(), 0);
    EXPECT_LE(each.at("score").as_int64(), 100);
    EXPECT_EQ(each.at("source"), "http://registry.example.com:8080/api/ard");
  }
  EXPECT_FALSE(page.contains("pageToken"));
  EXPECT_FALSE(page.contains("referrals"));
  EXPECT_EQ(names(searched(it, R"({"query":{"text":"xylophone"}})").at("results")), "");
}

TEST(ArdRoutes, ANameThatIsTheWordScoresAHundred) {
  serving it;
  add_some(it);
  const json::object page = searched(it, R"({"query":{"text":"translator"}})");
  EXPECT_EQ(page.at("results").at(0).at("score"), 100);
}

TEST(ArdRoutes, AFilterTakesOneOfTheValuesOfEachTerm) {
  serving it;
  add_some(it);
  const auto found = [&it](const std::string& filter) {
    return names(
        searched(it, R"({"query":{"text":"weather","filter":)" + filter + "}}").at("results"));
  };
  EXPECT_EQ(found(R"({"tags":["europe"]})"), "forecaster");
  EXPECT_EQ(found(R"({"tags":"ASIA"})"), "barometer");
  EXPECT_EQ(found(R"({"tags":["europe","asia"]})"), "barometer forecaster");
  EXPECT_EQ(found(R"({"tags":["europe","asia"],"publisher":["acme.example.org"]})"), "forecaster");
  EXPECT_EQ(found(R"({"capabilities":["tides"]})"), "forecaster");
  EXPECT_EQ(found(R"({"capabilities":["tides","x"]})"), "forecaster");
  EXPECT_EQ(found(R"({"type":["x","application/a2a-agent-card+json"]})"), "barometer forecaster");
  EXPECT_EQ(found(R"({"type":["application/mcp-server-card+json"]})"), "");
  EXPECT_EQ(found(R"({"metadata.health":["unknown"]})"), "barometer forecaster");
  EXPECT_EQ(found(R"({"metadata.nothing":["x"]})"), "");
}

TEST(ArdRoutes, PagesOfASearchHaveEachResultOnce) {
  serving it;
  for (int i = 0; i < 30; ++i) {
    add(it, "buoy-" + std::to_string(i), i % 3 == 0 ? "red and green" : "red");
  }
  std::vector<std::string> seen;
  std::string token;
  do {
    const json::object page =
        searched(it, R"({"query":{"text":"red green"},"pageSize":7)" +
                         (token.empty() ? "" : R"(,"pageToken":")" + token + "\"") + "}");
    for (const json::value& each : page.at("results").as_array()) {
      seen.emplace_back(each.at("identifier").as_string());
    }
    const json::value* next = page.if_contains("pageToken");
    token = next != nullptr ? std::string(next->as_string()) : "";
    if (seen.size() == 7) {
      add(it, "late", "red");
    }
  } while (!token.empty());
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), seen.size());
  EXPECT_GE(seen.size(), 30U);
}

TEST(ArdRoutes, TheReferralsOfARegistryThatKnowsNoOtherAreNone) {
  serving it;
  const json::object page = searched(it, R"({"query":{"text":"x"},"federation":"referrals"})");
  EXPECT_EQ(page.at("referrals"), json::array());
}

TEST(ArdRoutes, ABadSearchIsAnInvalidArgument) {
  serving it;
  add_some(it);
  const std::string token(
      searched(it, R"({"query":{"text":"weather"},"pageSize":1})").at("pageToken").as_string());
  for (const std::string& bad :
       {std::string("{"),
        std::string("[]"),
        std::string("{}"),
        std::string(R"({"query":"x"})"),
        std::string(R"({"query":{}})"),
        std::string(R"({"query":{"text":7}})"),
        std::string(R"({"query":{"text":" "}})"),
        std::string(R"({"query":{"text":"?!"}})"),
        std::string(R"({"query":{"text":"x","filter":[]}})"),
        std::string(R"({"query":{"text":"x","filter":{"tags":[{}]}}})"),
        std::string(R"({"query":{"text":"x","filter":{"tags":[]}}})"),
        std::string(R"({"query":{"text":"x","filter":{"trustManifest.identity":"x"}}})"),
        std::string(R"({"query":{"text":"x","colour":"red"}})"),
        std::string(R"({"query":{"text":"x"},"colour":"red"})"),
        std::string(R"({"query":{"text":"x"},"federation":"all"})"),
        std::string(R"({"query":{"text":"x"},"pageSize":0})"),
        std::string(R"({"query":{"text":"x"},"pageSize":101})"),
        std::string(R"({"query":{"text":"x"},"pageSize":"5"})"),
        std::string(R"({"query":{"text":"x"},"pageToken":2})"),
        std::string(R"({"query":{"text":"x"},"pageToken":"eyJwYWdlIjogMn0="})"),
        R"({"query":{"text":"x"},"pageToken":")" + token + "\"}"}) {
    expect_error(it.post("/api/ard/search", bad), 400, "INVALID_ARGUMENT");
  }
  expect_error(it.ask("POST", "/api/ard/search", "{}", {{"content-type", "text/plain"}}), 415,
               "INVALID_ARGUMENT");
  expect_error(it.get("/api/ard/search"), 405, "INVALID_ARGUMENT");
  expect_error(it.ask("POST", "/api/ard/search", "{}", {{"authorization", "Bearer x"}}), 401,
               "UNAUTHENTICATED");
}

TEST(ArdRoutes, TheSearchLimitIsToldInTheStandardsWords) {
  marketplace::limit_options limits = marketplace_test::no_limits();
  limits.search.quota = 1;
  serving it(limits);
  searched(it, R"({"query":{"text":"x"}})");
  const response refused = it.post("/api/ard/search", R"({"query":{"text":"x"}})");
  expect_error(refused, 429, "RATE_LIMIT_EXCEEDED");
  EXPECT_FALSE(header_of(refused, "Retry-After").empty());
}

// ----- explore

json::object explored(serving& it, const std::string& body) {
  const response answer = it.post("/api/ard/explore", body);
  EXPECT_EQ(answer.status, 200U) << answer.body;
  const json::object whole = json_of(answer).as_object();
  EXPECT_EQ(whole.at("resultType"), "facets");
  return whole.at("facets").as_object();
}

json::value bucket(const char* value, int count) {
  return {{"value", value}, {"count", count}};
}

TEST(ArdRoutes, FacetsCountAllAgents) {
  serving it;
  add_some(it);
  const json::object facets =
      explored(it, R"({"resultType":{"facets":[{"field":"type"},{"field":"tags","limit":2},
              {"field":"publisher","minCount":1},{"field":"capabilities","minCount":2}]}})");
  EXPECT_EQ(facets.at("type").at("buckets"),
            (json::array{bucket("application/a2a-agent-card+json", 3)}));
  EXPECT_EQ(facets.at("tags").at("buckets"),
            (json::array{bucket("weather", 2), bucket("asia", 1)}));
  EXPECT_EQ(facets.at("tags").at("otherCount"), 2);
  EXPECT_EQ(facets.at("publisher").at("buckets"),
            (json::array{bucket("acme.example.org", 1), bucket("barometer.example.com", 1),
                         bucket("translator.example.com", 1)}));
  EXPECT_EQ(facets.at("capabilities").at("buckets"), json::array());
}

TEST(ArdRoutes, FacetsOfASearchCountWhatItFinds) {
  serving it;
  add_some(it);
  const json::object of_text =
      explored(it, R"({"query":{"text":"readings"},"resultType":{"facets":[{"field":"tags"}]}})");
  EXPECT_EQ(of_text.at("tags").at("buckets"),
            (json::array{bucket("asia", 1), bucket("weather", 1)}));
  const json::object of_filter = explored(it, R"({"query":{"filter":{"tags":["europe","language"]}},
              "resultType":{"facets":[{"field":"tags"},{"field":"type"}]}})");
  EXPECT_EQ(of_filter.at("type").at("buckets"),
            (json::array{bucket("application/a2a-agent-card+json", 2)}));
  EXPECT_EQ(of_filter.at("tags").at("buckets"),
            (json::array{bucket("europe", 1), bucket("language", 1), bucket("weather", 1)}));
}

TEST(ArdRoutes, FacetsThatNoIndexHasAreForAFewThousandAgents) {
  serving it;
  for (int i = 0; i < 2001; ++i) {
    add(it, "agent-" + std::to_string(i), "d", {i < 3 ? "few" : "many"});
  }
  expect_error(it.post("/api/ard/explore", R"({"resultType":{"facets":[{"field":"publisher"}]}})"),
               400, "INVALID_ARGUMENT");
  const json::object facets = explored(
      it, R"({"query":{"filter":{"tags":"few"}},"resultType":{"facets":[{"field":"publisher"}]}})");
  EXPECT_EQ(facets.at("publisher").at("buckets").as_array().size(), 3U);
}

TEST(ArdRoutes, ABadExplorationIsAnInvalidArgument) {
  serving it;
  for (const char* bad :
       {"{}", R"({"resultType":"facets"})", R"({"resultType":{}})",
        R"({"resultType":{"facets":[]}})", R"({"resultType":{"facets":["tags"]}})",
        R"({"resultType":{"facets":[{"field":"colour"}]}})",
        R"({"resultType":{"facets":[{"field":"tags","limit":0}]}})",
        R"({"resultType":{"facets":[{"field":"tags","top":1}]}})",
        R"({"query":[],"resultType":{"facets":[{"field":"tags"}]}})"}) {
    expect_error(it.post("/api/ard/explore", bad), 400, "INVALID_ARGUMENT");
  }
}

// ----- the list

TEST(ArdRoutes, TheListPagesThroughAll) {
  serving it;
  for (int i = 0; i < 9; ++i) {
    add(it, "agent-" + std::to_string(i), "d");
  }
  std::string path = "/api/ard/agents?pageSize=4&orderBy=displayName%20DESC";
  std::string all;
  for (const std::string start = path; !path.empty();) {
    const json::value page = json_of(it.get(path));
    EXPECT_EQ(page.at("total"), 9);
    for (const json::value& each : page.at("items").as_array()) {
      all += each.at("displayName").as_string().back();
      EXPECT_FALSE(each.as_object().contains("score"));
    }
    const json::value* next = page.as_object().if_contains("pageToken");
    path = next != nullptr ? start + "&pageToken=" + std::string(next->as_string()) : "";
  }
  EXPECT_EQ(all, "876543210");
  EXPECT_EQ(json_of(it.get("/api/ard/agents?pageSize=9")).as_object().contains("pageToken"), false);
}

TEST(ArdRoutes, TheListTakesFilters) {
  serving it;
  add_some(it);
  const marketplace::timestamp before = it.time;
  add(it, "later", "l");
  const auto found = [&it](const std::string& filter) {
    const response answer = it.get("/api/ard/agents?filter=" + percent_encoded(filter));
    EXPECT_EQ(answer.status, 200U) << answer.body;
    return names(json_of(answer).at("items"));
  };
  EXPECT_EQ(found("displayName = 'ATER' AND type='a, application/a2a-agent-card+json'"), "later");
  EXPECT_EQ(found("type = 'application/mcp-server-card+json'"), "");
  EXPECT_EQ(found("publisherId = \"acme.example.org,translator.example.com\""),
            "forecaster translator");
  EXPECT_EQ(found("createdAfter > '" + marketplace::to_text(before) + "'"), "later");
  EXPECT_EQ(found("updatedAfter = " + marketplace::to_text(before)), "later");
  EXPECT_EQ(found("updatedAfter > 2001-01-01 AND displayName = r"),
            "barometer forecaster later translator");
}

TEST(ArdRoutes, AFilterThatFitsFewGoesOnWhereItStopped) {
  serving it;
  add(it, "needle-1", "d");
  for (int i = 0; i < 1500; ++i) {
    add(it, "hay-" + std::to_string(i), "d");
  }
  add(it, "needle-2", "d");
  const std::string start = "/api/ard/agents?pageSize=1&filter=displayName%3Dneedle";
  std::string path = start;
  std::string all;
  int requests = 0;
  for (; !path.empty(); ++requests) {
    const json::value page = json_of(it.get(path));
    EXPECT_FALSE(page.as_object().contains("total"));
    all += names(page.at("items")) + ";";
    const json::value* next = page.as_object().if_contains("pageToken");
    path = next != nullptr ? start + "&pageToken=" + std::string(next->as_string()) : "";
  }
  EXPECT_EQ(all, "needle-2;;needle-1;");
  EXPECT_EQ(requests, 3);
}

TEST(ArdRoutes, ABadListIsAnInvalidArgument) {
  serving it;
  for (const char* bad :
       {"pageSize=0", "pageSize=101", "pageSize=x", "pageToken=x", "orderBy=colour",
        "orderBy=displayName%20UP", "orderBy=displayName,updatedAt", "colour=red",
        "filter=colour%20%3D%20red", "filter=type", "filter=type%20%3E%20x", "filter=type%3D'x",
        "filter=type%3Dx%20OR%20type%3Dy", "filter=type%3Dx%20AND",
        "filter=createdAfter%3Dyesterday", "filter=%zz"}) {
    expect_error(it.get("/api/ard/agents?" + std::string(bad)), 400, "INVALID_ARGUMENT");
  }
}

}  // namespace
