// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/registration.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace marketplace {
namespace {

namespace json = boost::json;
using http::problem;

json::object good() {
  return {{"agent_name", "Weather"},
          {"base_url", "https://weather.example.com"},
          {"description", "Forecasts"}};
}

template <class Parse>
std::string wrong(Parse parse, const std::string& body) {
  try {
    parse(body);
  } catch (const problem& what) {
    std::string all = std::to_string(what.status());
    for (const http::field_error& each : what.errors()) {
      EXPECT_FALSE(each.message.empty());
      all += " " + each.pointer + " " + each.code + ";";
    }
    return all;
  }
  return "nothing";
}

// "422 /tags/3 format;"
std::string wrong_with(const std::string& body) {
  return wrong(parse_v1_registration, body);
}
std::string wrong_with(const json::object& body) {
  return wrong_with(json::serialize(body));
}
template <class Value>
std::string wrong_with(const char* member, const Value& value) {
  json::object body = good();
  body[member] = json::value(value);
  return wrong_with(body);
}

TEST(Registration, TakesTheFieldsInTheirOneSpelling) {
  json::object body = good();
  body["agent_id"] = "123E4567-E89B-42D3-A456-426614174000";
  body["agent_name"] = "  Caf\u0065\u0301  ";  // e and an accent: one letter in NFC
  body["tags"] = {"Weather", " weather ", "C++", "a/b.c-d_e", "ÄÖ"};
  body["status"] = "deprecated";
  const registration wanted = parse_v1_registration(json::serialize(body));
  EXPECT_EQ(wanted.agent_id, "123e4567-e89b-42d3-a456-426614174000");
  EXPECT_EQ(wanted.agent_name, "Caf\u00e9");
  EXPECT_EQ(wanted.base_url, "https://weather.example.com");
  EXPECT_EQ(wanted.tags, (std::vector<std::string>{"weather", "c++", "a/b.c-d_e", "äö"}));
  EXPECT_EQ(wanted.status, agent_status::deprecated);
  EXPECT_FALSE(wanted.fetch_card);
}

TEST(Registration, AnEmptyNameIsAName) {
  EXPECT_EQ(wrong_with("agent_name", ""), "nothing");
}

TEST(Registration, WhatIsNoJsonIsABadRequest) {
  for (const char* body : {"", " ", "{", "{}}", "{'a':1}", R"({"a":1,})", R"({"a":1,"a":2})",
                           "{\"a\":\"\xff\"}", "nul"}) {
    EXPECT_EQ(wrong_with(std::string(body)), "400") << body;
  }
  EXPECT_EQ(wrong_with(std::string(100, '[')), "400");
}

TEST(Registration, WhatIsNoObjectIsInvalid) {
  for (const char* body : {"[]", "1", "null", "\"x\"", "true"}) {
    EXPECT_EQ(wrong_with(std::string(body)), "422  type;") << body;
  }
}

TEST(Registration, NamesAllThatIsMissing) {
  EXPECT_EQ(wrong_with("{}"), "422 /agent_name missing; /base_url missing; /description missing;");
}

TEST(Registration, NamesEachMemberOfAnotherType) {
  for (const char* member :
       {"agent_id", "agent_name", "base_url", "description", "status", "card_url"}) {
    for (const json::value& value : {json::value(7), json::value(nullptr), json::value(true),
                                     json::value(json::array()), json::value(json::object())}) {
      EXPECT_EQ(wrong_with(member, value), "422 /" + std::string(member) + " type;") << value;
    }
  }
  EXPECT_EQ(wrong_with("tags", "x"), "422 /tags type;");
  EXPECT_EQ(wrong_with("tags", json::array{"x", 1}), "422 /tags/1 type;");
  EXPECT_EQ(wrong_with("card", "x"), "422 /card type;");
  EXPECT_EQ(wrong_with("fetch_card", "yes"), "422 /fetch_card type;");
}

TEST(Registration, NamesMembersThatNobodyKnows) {
  EXPECT_EQ(wrong_with("colour", "red"), "422 /colour unknown;");
  EXPECT_EQ(wrong_with("a/b~c", "red"), "422 /a~1b~0c unknown;");
  EXPECT_EQ(wrong_with("Tags", json::array()), "422 /Tags unknown;");
}

TEST(Registration, ReportsSeveralErrorsAtOnce) {
  json::object body = good();
  body["agent_id"] = "x";
  body["base_url"] = "http://example.com";
  body["tags"] = {"ok", "", "a b"};
  body["colour"] = "red";
  EXPECT_EQ(wrong_with(body),
            "422 /colour unknown; /agent_id format; /tags/1 format; /tags/2 format; /base_url "
            "format;");
}

TEST(Registration, LengthsAreCountedInCharacters) {
  std::string name;
  for (int i = 0; i < 100; ++i) {
    name += "ä";
  }
  EXPECT_EQ(wrong_with("agent_name", name), "nothing");
  EXPECT_EQ(wrong_with("agent_name", name + "ä"), "422 /agent_name length;");
  EXPECT_EQ(wrong_with("description", std::string(4096, 'x')), "nothing");
  EXPECT_EQ(wrong_with("description", std::string(4097, 'x')), "422 /description length;");
  EXPECT_EQ(wrong_with("description", "  "), "422 /description length;");
  EXPECT_EQ(wrong_with("tags", json::array{json::value(std::string(64, 'x'))}), "nothing");
  EXPECT_EQ(wrong_with("tags", json::array{json::value(std::string(65, 'x'))}),
            "422 /tags/0 format;");
  EXPECT_EQ(wrong_with("tags", json::array(32, json::value("x"))), "nothing");
  EXPECT_EQ(wrong_with("tags", json::array(33, json::value("x"))), "422 /tags length;");
}

TEST(Registration, RefusesControlCharacters) {
  EXPECT_EQ(wrong_with("agent_name", "a\nb"), "422 /agent_name format;");
  EXPECT_EQ(wrong_with("description", "a\nb"), "nothing");
  EXPECT_EQ(wrong_with("description", std::string("a\0b", 3)), "422 /description format;");
  EXPECT_EQ(wrong_with("tags", json::array{"a\tb"}), "422 /tags/0 format;");
}

TEST(Registration, ATagIsLettersDigitsAndAFewSigns) {
  for (const char* tag : {"a", "7", "c++", "a-b_", "node.js", "i/o", "größe", "日本語"}) {
    EXPECT_EQ(wrong_with("tags", json::array{tag}), "nothing") << tag;
  }
  for (const char* tag : {"", " ", "-a", "_a", ".a", "+", "a b", "a,b", "#a", "😀", "a😀", "a:b"}) {
    EXPECT_EQ(wrong_with("tags", json::array{tag}), "422 /tags/0 format;") << tag;
  }
}

TEST(Registration, ACardComesFromOnePlace) {
  const json::object card({{"name", "x"}});
  const json::object by_card({{"card", card}});
  EXPECT_EQ(wrong_with(by_card), "nothing");
  EXPECT_EQ(parse_v1_registration(json::serialize(by_card)).card_text, R"({"name":"x"})");
  EXPECT_EQ(wrong_with({{"card_url", "https://a.example.com/card.json?v=1"}}), "nothing");
  EXPECT_EQ(wrong_with({{"base_url", "https://a.example.com"}, {"fetch_card", true}}), "nothing");
  EXPECT_EQ(wrong_with({{"fetch_card", true}}), "422 /base_url missing;");
  EXPECT_EQ(wrong_with({{"card", card}, {"card_url", "https://a.example.com/c"}}),
            "422 /card format;");
  EXPECT_EQ(wrong_with({{"card", card}, {"fetch_card", true}}), "422 /card format;");
}

TEST(Registration, ACardHasALimit) {
  EXPECT_EQ(wrong_with("card", json::object{{"x", std::string(max_card_bytes, 'x')}}),
            "422 /card length;");
}

TEST(Registration, TheUrlOfACardIsChecked) {
  for (const char* url : {"https://a.example.com/card.json#x", "http://a.example.com/card.json",
                          "nowhere", "https://u:p@a.example.com/"}) {
    EXPECT_EQ(wrong_with("card_url", url), "422 /card_url format;") << url;
  }
  EXPECT_EQ(wrong_with("card_url", "https://a.example.com/?" + std::string(2048, 'x')),
            "422 /card_url length;");
}

TEST(CardRequest, IsOneOfThreeThings) {
  const auto parse = parse_card_request;
  EXPECT_EQ(wrong(parse, R"({"card":{}})"), "nothing");
  EXPECT_EQ(wrong(parse, R"({"card_url":"https://a.example.com/c"})"), "nothing");
  EXPECT_EQ(wrong(parse, R"({"base_url":"https://a.example.com"})"), "nothing");
  EXPECT_TRUE(parse(R"({"base_url":"https://a.example.com"})").fetch_card);
  EXPECT_EQ(wrong(parse, "{}"), "422 /card missing;");
  EXPECT_EQ(wrong(parse, R"({"base_url":"x"})"), "422 /base_url format;");
  EXPECT_EQ(wrong(parse, R"({"tags":[]})"), "422 /tags unknown;");
  EXPECT_EQ(wrong(parse, ""), "400");
}

TEST(SuggestedTags, AreTheSkillsOnesThatAreTags) {
  agent_card card;
  card.skills = {{"a", "A", {"Wind", "wind", "not a tag", "c++"}}, {"b", "B", {"", "sea"}}};
  EXPECT_EQ(suggested_tags(card), (std::vector<std::string>{"wind", "c++", "sea"}));
  card.skills = {{"a", "A", {}}};
  for (int i = 0; i < 40; ++i) {
    card.skills[0].tags.push_back("t" + std::to_string(i));
  }
  EXPECT_EQ(suggested_tags(card).size(), 32U);
}

}  // namespace
}  // namespace marketplace
