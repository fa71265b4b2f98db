// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/agent_card.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace marketplace {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view v1_card = R"({
  "name": "Translator", "description": "Translates", "version": "2.1.0",
  "supportedInterfaces": [
    {"url": "https://t.example.com/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
  "capabilities": {"streaming": true, "pushNotifications": false},
  "defaultInputModes": ["text/plain"], "defaultOutputModes": ["text/plain"],
  "provider": {"organization": "Example", "url": "https://example.com"},
  "skills": [{"id": "tr", "name": "Translate", "description": "any text", "tags": ["text"]}],
  "signatures": [{"protected": "x", "signature": "y"}]})";

constexpr std::string_view v0_3_card = R"({
  "name": "Old", "description": "Older", "version": "1", "protocolVersion": "1.0",
  "url": "https://old.example.com/a2a",
  "additionalInterfaces": [{"url": "https://old.example.com/grpc", "transport": "GRPC"}],
  "capabilities": {}, "defaultInputModes": [], "defaultOutputModes": [], "skills": []})";

std::string error_of(std::string_view text) {
  const auto card = parse_agent_card(text);
  return card ? "none" : card.error().message();
}

TEST(AgentCard, ACardOfV1IsReadWhole) {
  const auto card = parse_agent_card(v1_card);
  ASSERT_TRUE(card);
  EXPECT_EQ(card->shape, card_shape::v1_0);
  EXPECT_EQ(card->name, "Translator");
  EXPECT_EQ(card->provider, "Example");
  EXPECT_THAT(card->capabilities, ElementsAre("streaming"));
  ASSERT_EQ(card->skills.size(), 1U);
  EXPECT_EQ(card->skills[0].id, "tr");
  EXPECT_THAT(card->skills[0].tags, ElementsAre("text"));
  ASSERT_EQ(card->interfaces.size(), 1U);
  EXPECT_EQ(card->interfaces[0].protocol_binding, "JSONRPC");
  EXPECT_TRUE(card->is_signed);
  EXPECT_THAT(card->violations, IsEmpty());
}

TEST(AgentCard, TheShapeIsSeenNotBelieved) {
  const auto card = parse_agent_card(v0_3_card);  // it claims 1.0
  ASSERT_TRUE(card);
  EXPECT_EQ(card->shape, card_shape::v0_3);
  ASSERT_EQ(card->interfaces.size(), 2U);
  EXPECT_EQ(card->interfaces[0].url, "https://old.example.com/a2a");
  EXPECT_EQ(card->interfaces[0].protocol_binding, "JSONRPC");
  EXPECT_EQ(card->interfaces[1].protocol_binding, "GRPC");
  EXPECT_FALSE(card->is_signed);
  EXPECT_THAT(card->violations, IsEmpty());
}

TEST(AgentCard, WhatTheStandardWantsAndTheCardLacksIsListed) {
  const auto card = parse_agent_card(
      R"({"name": 3, "supportedInterfaces": [{"url": "https://x"}, 7], "version": "",)"
      R"("capabilities": [], "defaultInputModes": ["a", 1], )"
      R"("skills": [{"id": "s", "tags": "t"}]})");
  ASSERT_TRUE(card);
  EXPECT_EQ(card->shape, card_shape::v1_0);
  EXPECT_THAT(
      card->violations,
      ElementsAre("/name: is not a string", "/description: is missing", "/version: is empty",
                  "/capabilities: is not an object", "/defaultInputModes/1: is not a string",
                  "/defaultOutputModes: is missing", "/skills/0/name: is missing",
                  "/skills/0/description: is missing", "/skills/0/tags: is not an array of strings",
                  "/supportedInterfaces/0/protocolBinding: is missing",
                  "/supportedInterfaces/0/protocolVersion: is missing",
                  "/supportedInterfaces/1: is not an object"));
}

TEST(AgentCard, ACardOfNoKnownShapeIsStillACard) {
  const auto card = parse_agent_card(R"({"name": "x"})");
  ASSERT_TRUE(card);
  EXPECT_EQ(card->shape, card_shape::unknown);
  EXPECT_FALSE(card->violations.empty());
}

TEST(AgentCard, TheListOfViolationsIsBounded) {
  std::string skills = "1";
  for (int i = 0; i < 1000; ++i) {
    skills += ",1";
  }
  const auto card = parse_agent_card(R"({"skills":[)" + skills + "]}");
  ASSERT_TRUE(card);
  EXPECT_EQ(card->violations.size(), 100U);
}

TEST(AgentCard, WhatIsNoCardIsAnError) {
  EXPECT_EQ(error_of("[]"), "is not a JSON object");
  EXPECT_EQ(error_of(R"({"name":"a","name":"b"})"),
            R"(has the member "name" twice in one object, again at byte 18)");
  EXPECT_EQ(error_of("{\"a\":" + std::string(40, '[')), "is nested too deeply at byte 37");
  EXPECT_EQ(error_of(std::string(max_card_bytes + 1, ' ')), "is longer than 262144 bytes");
  EXPECT_EQ(error_of("{\"name\":\"\xff\"}"), "is not UTF-8 at byte 10");
}

TEST(AgentCard, ASplitHostIsOneThatNoInterfaceIsOn) {
  const auto card = parse_agent_card(v1_card);
  ASSERT_TRUE(card);
  EXPECT_FALSE(is_split_host(*card, "https://T.example.com:443/x"));
  EXPECT_TRUE(is_split_host(*card, "https://example.com"));
  EXPECT_FALSE(is_split_host(agent_card(), "https://example.com"));
}

}  // namespace
}  // namespace marketplace
