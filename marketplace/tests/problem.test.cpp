// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/problem.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <string>

namespace marketplace::http {
namespace {

namespace json = boost::json;

json::object body_of(const problem& what) {
  return json::parse(what.to_response("/v1/agents", "r-1").body).as_object();
}

TEST(Problem, SaysWhatWhyAndWhere) {
  const response answer = problem::not_found("there is no agent x").to_response("/v1/x", "r-1");
  EXPECT_EQ(answer.status, 404U);
  EXPECT_EQ(answer.content_type, "application/problem+json");
  EXPECT_EQ(json::parse(answer.body), (json::object{{"type", "about:blank"},
                                                    {"title", "Not Found"},
                                                    {"status", 404},
                                                    {"detail", "there is no agent x"},
                                                    {"instance", "/v1/x"},
                                                    {"errorCode", "NOT_FOUND"},
                                                    {"message", "there is no agent x"},
                                                    {"request_id", "r-1"}}));
}

TEST(Problem, ListsAllThatIsWrongWithABody) {
  const problem what = problem::invalid(
      {{"/tags/3", "format", "tags contain one that is empty"}, {"/x", "unknown", "x is unknown"}});
  EXPECT_EQ(what.status(), 422U);
  EXPECT_EQ(what.detail(), "tags contain one that is empty; x is unknown");
  EXPECT_EQ(body_of(what).at("errors"),
            (json::array{{{"pointer", "/tags/3"},
                          {"code", "format"},
                          {"message", "tags contain one that is empty"}},
                         {{"pointer", "/x"}, {"code", "unknown"}, {"message", "x is unknown"}}}));
}

TEST(Problem, NamesTheHolderAndWhereItIs) {
  const problem what = problem(409, "AGENT_ALREADY_REGISTERED", "taken")
                           .with_holder({"base_url", "id-1", "/v1/agents/id-1"});
  EXPECT_EQ(body_of(what).at("conflict"), (json::object{{"field", "base_url"},
                                                        {"existing_agent_id", "id-1"},
                                                        {"existing_url", "/v1/agents/id-1"}}));
  ASSERT_EQ(what.headers().size(), 1U);
  EXPECT_EQ(what.headers()[0].first, "Location");
  EXPECT_EQ(what.headers()[0].second, "/v1/agents/id-1");
}

TEST(Problem, KeepsAHolderToItselfThatNobodyMaySee) {
  const problem what = problem(409, "C", "taken").with_holder({"agent_name", "", ""});
  EXPECT_EQ(body_of(what).at("conflict"), (json::object{{"field", "agent_name"}}));
  EXPECT_TRUE(what.headers().empty());
}

TEST(Problem, TakesItsHeadersAndItsTypeAlong) {
  const problem what = problem(429, "RATE_LIMIT_EXCEEDED", "slowly")
                           .with_header("Retry-After", "7")
                           .with_type("https://example.com/slowly");
  const response answer = what.to_response("/", "r");
  EXPECT_EQ(json::parse(answer.body).at("type"), "https://example.com/slowly");
  ASSERT_EQ(answer.headers.size(), 1U);
  EXPECT_EQ(answer.headers[0].second, "7");
}

TEST(Problem, OfAStorageThatDoesNotAnswerSaysWhenToComeBack) {
  const problem what = problem::unavailable("full");
  EXPECT_EQ(what.status(), 503U);
  EXPECT_EQ(what.headers()[0].first, "Retry-After");
}

TEST(Problem, EscapesWhatStrangersWrote) {
  const std::string odd = "a \"quoted\" \x01 <b>";
  EXPECT_EQ(body_of(problem::bad_request(odd)).at("detail"), json::value(odd));
}

}  // namespace
}  // namespace marketplace::http
