// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/strict_json.hpp>
#include <marketplace/text.hpp>

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace marketplace {
namespace {

std::string error_of(std::string_view text) {
  const auto parsed = parse_json(text, 4);
  return parsed ? "none" : parsed.error().message();
}

TEST(StrictJson, AValueIsWhatBoostMakesOfIt) {
  const auto parsed = parse_json(R"( {"a":[1,-2,3.5,true,null],"b":{"a":"\u00e9"}} )");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(boost::json::serialize(*parsed), R"({"a":[1,-2,3.5E0,true,null],"b":{"a":"é"}})");
}

TEST(StrictJson, AMemberGivenTwiceIsAnErrorThatNamesIt) {
  EXPECT_EQ(error_of(R"({"a":1,"b":{"a":1},"a":2})"),
            R"(has the member "a" twice in one object, again at byte 22)");
  EXPECT_EQ(error_of(R"([{"a":1},{"a":1}])"), "none");
  EXPECT_EQ(error_of(R"({"a":1,"\u0061":2})"),
            R"(has the member "a" twice in one object, again at byte 15)");
}

TEST(StrictJson, WhatIsNoJsonIsAnErrorThatSaysWhere) {
  EXPECT_EQ(error_of(""), "is not complete JSON: it ends too early");
  EXPECT_EQ(error_of("{\"a\":"), "is not complete JSON: it ends too early");
  EXPECT_EQ(error_of("{} x"), "has something after the JSON value at byte 4");
  EXPECT_EQ(error_of("[[[[[1]]]]]"), "is nested too deeply at byte 5");
  EXPECT_EQ(error_of("[\"\xff\"]"), "is not UTF-8 at byte 3");
  EXPECT_EQ(error_of("[1,]"), "is not JSON: syntax error at byte 4");
}

TEST(StrictJson, AMemberIsFoundAsItWasWritten) {
  const std::string text =
      R"( { "a,b" : "}" , "x": {"card": [1]}, "c\u0061rd" : { "n" : "\"}" , "m":[ {"card":2} ] } ,)"
      R"("y": [":", {"card":3}], "z":12 } )";
  EXPECT_EQ(text_of_member(text, "card"), R"({ "n" : "\"}" , "m":[ {"card":2} ] })");
  EXPECT_EQ(text_of_member(text, "a,b"), R"("}")");
  EXPECT_EQ(text_of_member(text, "z"), "12");
  EXPECT_EQ(text_of_member(text, "y"), R"([":", {"card":3}])");
  EXPECT_EQ(text_of_member(text, "n"), "");
  EXPECT_EQ(text_of_member("{}", "n"), "");
}

TEST(Text, Utf8HasNoOverlongFormsNoSurrogatesAndNothingBeyondUnicode) {
  EXPECT_TRUE(is_utf8("a\u00e9\u20ac\U0001f512"));
  for (const char* bad :
       {"\x80", "\xc0\xaf", "\xc3", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\xaf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2(\xa1"}) {
    EXPECT_FALSE(is_utf8(bad)) << bad;
  }
}

TEST(Text, TrimmingTakesAwaySpacesAtBothEndsOnly) {
  EXPECT_EQ(trimmed(" \t a b \r\n"), "a b");
  EXPECT_EQ(trimmed("  "), "");
}

}  // namespace
}  // namespace marketplace
