// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/agent_json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using marketplace::parse_registration;
using testing::ElementsAre;

std::string error_of(std::string_view text) {
  const auto profile = parse_registration(text);
  return profile ? "none" : profile.error().message();
}
// A registration that is right but for the given members, which follow the right ones.
std::string error_with(const std::string& members) {
  return error_of(R"({"agent_name":"a","description":"d","base_url":"https://a.example")" +
                  members + "}");
}
std::string error_with_description(const std::string& description) {
  return error_of(R"({"agent_name":"a","base_url":"https://a.example","description":")" +
                  description + "\"}");
}

TEST(AgentJson, ARegistrationIsRead) {
  const auto profile = parse_registration(
      R"( {"agent_id":"123E4567-e89b-42d3-a456-426614174000","agent_name":"caf\u00e9","base_url":)"
      R"("https://A.example/","description":"line\nline","tags":["a","b c"],"x":[{"x":[1]}]} )");
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_EQ(profile->agent_id, "123E4567-e89b-42d3-a456-426614174000");
  EXPECT_EQ(profile->agent_name, "caf\xc3\xa9");
  EXPECT_EQ(profile->base_url, "https://A.example/");
  EXPECT_EQ(profile->description, "line\nline");
  EXPECT_THAT(profile->tags, ElementsAre("a", "b c"));
  EXPECT_EQ(profile->version, 1);
}

TEST(AgentJson, IdAndTagsMayBeLeftOut) {
  const auto profile =
      parse_registration(R"({"agent_name":"","base_url":"http://localhost:1","description":"d"})");
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_EQ(profile->agent_id, "");
  EXPECT_EQ(profile->agent_name, "");
  EXPECT_TRUE(profile->tags.empty());
}

TEST(AgentJson, AMissingFieldIsNamed) {
  EXPECT_EQ(error_of("{}"), "agent_name is missing");
  EXPECT_EQ(error_of(R"({"agent_name":"a"})"), "base_url is missing");
  EXPECT_EQ(error_of(R"({"agent_name":"a","base_url":"https://a"})"), "description is missing");
}

TEST(AgentJson, AFieldOfTheWrongTypeIsNamed) {
  EXPECT_EQ(error_of(R"({"agent_name":null})"), "agent_name must be a string, not null");
  EXPECT_EQ(error_of(R"({"base_url":17})"), "base_url must be a string, not a number");
  EXPECT_EQ(error_of(R"({"base_url":1.5})"), "base_url must be a string, not a number");
  EXPECT_EQ(error_of(R"({"agent_id":18446744073709551615})"),
            "agent_id must be a string, not a number");
  EXPECT_EQ(error_of(R"({"description":true})"), "description must be a string, not true or false");
  EXPECT_EQ(error_of(R"({"description":{"a":"b"}})"),
            "description must be a string, not an object");
  EXPECT_EQ(error_of(R"({"description":["b"]})"), "description must be a string, not an array");
  EXPECT_EQ(error_of(R"({"tags":"a"})"), "tags must be an array of strings, not a string");
  EXPECT_EQ(error_of(R"({"tags":["a",1]})"), "tags must be strings, and one is a number");
  EXPECT_EQ(error_of(R"({"tags":["a",["b"]]})"), "tags must be strings, and one is an array");
  EXPECT_EQ(error_of(R"({"tags":[{}]})"), "tags must be strings, and one is an object");
}

TEST(AgentJson, WhatIsNoObjectIsRefused) {
  EXPECT_EQ(error_of("[]"), "must be a JSON object, {...}, not an array");
  EXPECT_EQ(error_of("17"), "must be a JSON object, {...}, not a number");
  EXPECT_EQ(error_of("\"{}\""), "must be a JSON object, {...}, not a string");
  EXPECT_EQ(error_of("null"), "must be a JSON object, {...}, not null");
}

TEST(AgentJson, AMemberThatIsGivenTwiceIsAnError) {
  EXPECT_EQ(error_with(R"(,"base_url":"https://b.example")"), "base_url is given twice");
  EXPECT_EQ(error_with(R"(,"x":1,"x":2)"), "a member is given twice");
  EXPECT_EQ(error_with(R"(,"x":{"base_url":1,"base_url":2},"tags":[])"), "none");
}

TEST(AgentJson, ValuesAreChecked) {
  EXPECT_EQ(error_with(R"(,"agent_id":"")"),
            "agent_id is not a UUID, such as 123e4567-e89b-42d3-a456-426614174000");
  EXPECT_EQ(error_with(R"(,"agent_id":"123e4567-e89b-42d3-a456-42661417400g")").substr(0, 22),
            "agent_id is not a UUID");
  EXPECT_EQ(error_of(R"({"agent_name":"a\u001b","base_url":"https://a","description":"d"})"),
            "agent_name contains a control character");
  EXPECT_EQ(error_of(R"({"agent_name":"a","base_url":"http://a.example","description":"d"})"),
            "base_url must begin with https:// (http:// is for localhost, names without dots, and "
            ".local)");
  EXPECT_EQ(error_with_description(""), "description is empty");
  EXPECT_EQ(error_with_description(std::string(4096, 'x')), "none");
  EXPECT_EQ(error_with_description(std::string(4097, 'x')),
            "description is longer than 4096 characters");
  EXPECT_EQ(error_with(R"(,"tags":[""])"), "tags contain an empty one");
  EXPECT_EQ(error_with(R"(,"tags":["a\nb"])"), "tags contain one with a control character");
}

TEST(AgentJson, LengthsCountCharactersAndNotBytes) {
  std::string name;
  for (int i = 0; i < 100; ++i) {
    name += "\xc3\xa9";
  }
  const std::string rest = R"(","base_url":"https://a","description":"d"})";
  EXPECT_EQ(error_of(R"({"agent_name":")" + name + rest), "none");
  EXPECT_EQ(error_of(R"({"agent_name":")" + name + "x" + rest),
            "agent_name is longer than 100 characters");
}

TEST(AgentJson, SyntaxErrorsSayWhere) {
  EXPECT_EQ(error_of(""), "is not complete JSON: it ends too early");
  EXPECT_EQ(error_of("{\"agent_name\":\"a\""), "is not complete JSON: it ends too early");
  EXPECT_EQ(error_of("{} x"), "has something after the JSON object");
  EXPECT_EQ(error_of("{}{}"), "has something after the JSON object");
  EXPECT_EQ(error_of("{'a':1}"), "is not valid JSON at byte 2: syntax error");
  EXPECT_EQ(error_of("agent"), "is not valid JSON at byte 1: syntax error");
  EXPECT_EQ(error_of("{\"agent_name\":\"a\xff\"}"),
            "is not valid JSON at byte 17: is the file UTF-8?");
  EXPECT_EQ(error_of("{\"agent_name\":\"\xed\xa0\x80\"}").substr(0, 17), "is not valid JSON");
  EXPECT_EQ(error_of(std::string_view("{\0}", 3)).substr(0, 17), "is not valid JSON");
}

TEST(AgentJson, DepthAndSizeAreLimited) {
  EXPECT_EQ(error_of(R"({"x":)" + std::string(100'000, '[')), "is nested too deeply");
  EXPECT_EQ(error_of(std::string(marketplace::max_registration_bytes + 1, ' ')),
            "is longer than 262144 bytes");
  EXPECT_EQ(error_of(std::string(marketplace::max_registration_bytes, ' ')),
            "is not complete JSON: it ends too early");
}

}  // namespace
