// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/secrets.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <set>
#include <string>

namespace marketplace {
namespace {

TEST(Secrets, Sha256IsThatOfTheStandard) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Secrets, HmacIsThatOfTheStandard) {  // RFC 4231, case 2
  const std::string digest = hmac_sha256("Jefe", "what do ya want for nothing?");
  EXPECT_EQ(digest.size(), 32U);
  EXPECT_EQ(base64url(digest), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM");
}

TEST(Secrets, Base64UrlIsThatOfTheStandardWithoutPadding) {  // RFC 4648, section 10
  const std::string text = "foobar";
  const std::string encoded[] = {"", "Zg", "Zm8", "Zm9v", "Zm9vYg", "Zm9vYmE", "Zm9vYmFy"};
  for (std::size_t size = 0; size <= text.size(); ++size) {
    EXPECT_EQ(base64url(text.substr(0, size)), encoded[size]);
    EXPECT_EQ(base64url_decoded(encoded[size]), text.substr(0, size));
  }
  EXPECT_EQ(base64url("\xfb\xff"), "-_8");
}

TEST(Secrets, EveryByteSurvivesBase64Url) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes += static_cast<char>(i);
    EXPECT_EQ(base64url_decoded(base64url(bytes)), bytes);
  }
}

TEST(Secrets, WhatBase64UrlDoesNotMakeIsNotDecoded) {
  for (const char* text :
       {"Z", "Zh", "Zm9=", "Zg==", "Zm8 ", "Zm+v", "Zm/v", "Zm9vY", "Zm9\n", "ä"}) {
    EXPECT_FALSE(base64url_decoded(text)) << text;
  }
}

TEST(Secrets, AreEqualOnlyIfAllOfThemIs) {
  EXPECT_TRUE(are_equal("", ""));
  EXPECT_TRUE(are_equal("abc", "abc"));
  EXPECT_FALSE(are_equal("abc", "abd"));
  EXPECT_FALSE(are_equal("abc", "ab"));
  EXPECT_FALSE(are_equal("", "a"));
}

TEST(Secrets, NewAgentIdsAreUuidsOfVersion7InTheOrderOfTime) {
  const timestamp now{std::chrono::milliseconds(0x0192'f0c1'7b1e)};
  const std::string id = new_agent_id(now);
  EXPECT_EQ(agent_id_key(id), id);
  EXPECT_EQ(id.substr(0, 13), "0192f0c1-7b1e");
  EXPECT_EQ(id[14], '7');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
  EXPECT_LT(id, new_agent_id(now + std::chrono::milliseconds(1)));
}

TEST(Secrets, NewOnesAreNewAndLong) {
  std::set<std::string> all;
  for (int i = 0; i < 100; ++i) {
    const std::string token = new_token("mo_");
    EXPECT_EQ(token.size(), 46U);
    EXPECT_TRUE(token.starts_with("mo_"));
    EXPECT_TRUE(base64url_decoded(token.substr(3)));
    EXPECT_TRUE(all.insert(token).second);
    EXPECT_TRUE(all.insert(random_bytes(16)).second);
    EXPECT_TRUE(all.insert(new_agent_id({})).second);
  }
}

}  // namespace
}  // namespace marketplace
