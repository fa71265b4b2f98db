// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/base_url.hpp>

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace {

using marketplace::base_url_key;

std::string key_of(std::string_view base_url) {
  const auto key = base_url_key(base_url);
  return key ? *key : "refused: " + key.error().message();
}
std::string refusal_of(std::string_view base_url) {
  const auto key = base_url_key(base_url);
  return key ? "accepted as " + *key : key.error().message();
}

TEST(BaseUrlKey, IsTheSameForAllSpellingsOfAHost) {
  for (const char* spelling :
       {"https://example.com", "https://EXAMPLE.com", "https://example.com/",
        "https://example.com:443", "https://example.com:443/", "HTTPS://example.com.",
        "https://example.com/%7e/..", "https://example.com/./", "https://example.com:0443",
        "https://example.com:", "https://ex%61mple.com", "https://example.com//"}) {
    EXPECT_EQ(key_of(spelling), "https://example.com") << spelling;
  }
}

TEST(BaseUrlKey, KeepsWhatDistinguishesTwoPaths) {
  EXPECT_EQ(key_of("https://example.com/A2A/"), "https://example.com/A2A");
  EXPECT_EQ(key_of("https://example.com/a2a"), "https://example.com/a2a");
  EXPECT_EQ(key_of("https://example.com/%61"), "https://example.com/a");
  EXPECT_EQ(key_of("https://example.com/a%2fb"), "https://example.com/a%2Fb");
  EXPECT_EQ(key_of("https://example.com/a//b"), "https://example.com/a//b");
  EXPECT_EQ(key_of("https://example.com//a"), "https://example.com//a");
  EXPECT_EQ(key_of("https://example.com/a/%2E%2e/b"), "https://example.com/b");
  EXPECT_EQ(key_of("https://example.com/a/../../b"), "https://example.com/b");
  EXPECT_EQ(key_of("https://example.com/a//../b"), "https://example.com/a/b");
}

TEST(BaseUrlKey, KeepsAPortThatIsNotTheDefault) {
  EXPECT_EQ(key_of("https://example.com:8443"), "https://example.com:8443");
  EXPECT_EQ(key_of("http://localhost:80/"), "http://localhost");
  EXPECT_EQ(key_of("http://localhost:8000"), "http://localhost:8000");
  EXPECT_EQ(key_of("https://example.com:80"), "https://example.com:80");
}

TEST(BaseUrlKey, WritesAddressesInOneWay) {
  EXPECT_EQ(key_of("https://[2001:DB8:0::1]"), "https://[2001:db8::1]");
  EXPECT_EQ(key_of("https://[2001:db8:0:0:1:0:0:1]"), "https://[2001:db8::1:0:0:1]");
  EXPECT_EQ(key_of("https://[::FFFF:192.0.2.1]"), "https://[::ffff:192.0.2.1]");
  EXPECT_EQ(key_of("https://192.0.2.1/"), "https://192.0.2.1");
}

TEST(BaseUrlKey, AllowsHttpOnlyWithinAMachineOrALocalNetwork) {
  EXPECT_EQ(key_of("http://127.0.0.1:8000"), "http://127.0.0.1:8000");
  EXPECT_EQ(key_of("http://0.0.0.0"), "http://0.0.0.0");
  EXPECT_EQ(key_of("http://[::1]:9000"), "http://[::1]:9000");
  EXPECT_EQ(key_of("http://agent:9000"), "http://agent:9000");
  EXPECT_EQ(key_of("http://printer.local"), "http://printer.local");
  for (const char* url : {"http://example.com", "http://192.0.2.1", "http://[2001:db8::1]",
                          "http://local.example.com"}) {
    EXPECT_EQ(refusal_of(url),
              "must begin with https:// (http:// is for localhost, names without dots, and .local)")
        << url;
  }
}

TEST(BaseUrlKey, RefusesWhatIsNoAddressOfAnAgentAndSaysWhy) {
  EXPECT_EQ(refusal_of(""), "is empty");
  EXPECT_EQ(refusal_of("not-a-url"), "is not a URL such as https://agent.example.com");
  EXPECT_EQ(refusal_of("//example.com"), "is not a URL such as https://agent.example.com");
  EXPECT_EQ(refusal_of("https://example.com/%zz"),
            "is not a URL such as https://agent.example.com");
  EXPECT_EQ(refusal_of("https://1.2.3.4.5"), "is not a URL such as https://agent.example.com");
  EXPECT_EQ(refusal_of("https://h:443x"), "is not a URL such as https://agent.example.com");
  EXPECT_EQ(refusal_of("ftp://example.com"), "must begin with https://");
  EXPECT_EQ(refusal_of("https:example.com"), "has no host");
  EXPECT_EQ(refusal_of("https:///a"), "has no host");
  EXPECT_EQ(refusal_of("https://."), "has no host");
  EXPECT_EQ(refusal_of("https://u:p@example.com"), "must not contain a user or a password");
  EXPECT_EQ(refusal_of("https://example.com?x=1"), "must not contain a query (?...)");
  EXPECT_EQ(refusal_of("https://example.com/?"), "must not contain a query (?...)");
  EXPECT_EQ(refusal_of("https://example.com#x"), "must not contain a fragment (#...)");
  EXPECT_EQ(refusal_of("https://exa mple.com"), "contains a space or a control character");
  EXPECT_EQ(refusal_of(std::string_view("https://example.com/\0", 21)),
            "contains a space or a control character");
  EXPECT_EQ(refusal_of("https://example.com\\a"), "contains a backslash");
  EXPECT_EQ(refusal_of("https://m\xc3\xbcnchen.example").substr(0, 34),
            "contains a character outside ASCII");
  for (const char* url : {"https://a..b", "https://.a", "https://a..", "https://a%2fb"}) {
    EXPECT_EQ(refusal_of(url), "has a host that is no domain name") << url;
  }
  for (const char* url : {"https://0x7f.1", "https://0x7f", "https://2130706433", "https://127.1",
                          "https://256.0.0.1", "https://010.0.0.1"}) {
    EXPECT_EQ(refusal_of(url),
              "has a number for a host that is no plain IPv4 address, such as 192.0.2.1")
        << url;
  }
  for (const char* url : {"https://example.com:0", "https://example.com:65536",
                          "https://example.com:99999999999999999999"}) {
    EXPECT_EQ(refusal_of(url), "has a port that is not within 1 to 65535") << url;
  }
  EXPECT_EQ(refusal_of("https://[v1.a]"), "must name a host or an IP address");
}

TEST(BaseUrlKey, RefusesWhatIsTooLong) {
  const std::string longest = "https://example.com/" + std::string(2048 - 20, 'a');
  EXPECT_EQ(key_of(longest), longest);
  EXPECT_EQ(refusal_of(longest + "a"), "is longer than 2048 characters");
}

TEST(BaseUrlKey, OfAKeyIsTheKey) {
  // All texts of up to 4 of these pieces after a host: whatever is accepted is stable.
  constexpr std::string_view pieces[] = {"/",   ".",   "..", "a",    "%2e",
                                         "%2F", "%41", ":",  ":443", "%"};
  std::size_t accepted = 0;
  for (const auto one : pieces) {
    for (const auto two : pieces) {
      for (const auto three : pieces) {
        for (const auto four : pieces) {
          std::string url = "https://h";
          url.append(one).append(two).append(three).append(four);
          if (const auto key = base_url_key(url)) {
            ++accepted;
            EXPECT_EQ(key_of(*key), *key) << url;
          }
        }
      }
    }
  }
  EXPECT_GT(accepted, 1000U);
}

}  // namespace
