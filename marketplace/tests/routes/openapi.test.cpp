// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The description of the API, held against the table of routes.

#include "serving.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace json = boost::json;
using marketplace_test::header_of;
using marketplace_test::json_of;
using marketplace_test::serving;

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

std::set<std::string> parameters_of(std::string_view pattern) {
  std::set<std::string> names;
  for (std::size_t at = 0; (at = pattern.find('{', at)) != std::string_view::npos; ++at) {
    names.emplace(pattern.substr(at + 1, pattern.find('}', at) - at - 1));
  }
  return names;
}

class OpenApi : public testing::Test {
 public:
  serving it;
  json::value document = json_of(it.get("/openapi.json"));

  const json::object& resolved(const json::value& given) {
    const json::value* reference = given.as_object().if_contains("$ref");
    return reference == nullptr
               ? given.as_object()
               : document.at_pointer(reference->as_string().subview(1)).as_object();
  }

  template <class Visit>
  void for_each_operation(Visit visit) {
    for (const auto& path : document.at("paths").as_object()) {
      for (const auto& method : path.value().as_object()) {
        const std::string name = upper(method.key()) + " " + std::string(path.key());
        visit(name, std::string(path.key()), method.value().as_object());
      }
    }
  }
};

TEST_F(OpenApi, EveryRouteIsDescribedAndWhatIsDescribedIsARoute) {
  EXPECT_TRUE(document.at("openapi").as_string().starts_with("3.1."));
  std::set<std::string> routes;
  for (const auto& each : it.routes.routes()) {
    EXPECT_TRUE(routes.insert(each.method + " " + each.pattern).second) << each.pattern;
  }
  std::set<std::string> described;
  for_each_operation([&](const std::string& name, const std::string&, const json::object&) {
    described.insert(name);
  });
  EXPECT_EQ(described, routes);
}

TEST_F(OpenApi, EveryOperationHasItsParametersItsTagAndAnIdOfItsOwn) {
  std::set<std::string> tags;
  for (const json::value& each : document.at("tags").as_array()) {
    tags.emplace(each.at("name").as_string());
  }
  std::set<std::string> ids;
  for_each_operation(
      [&](const std::string& name, const std::string& path, const json::object& operation) {
        std::set<std::string> parameters;
        if (const json::value* list = operation.if_contains("parameters")) {
          for (const json::value& each : list->as_array()) {
            const json::object& parameter = resolved(each);
            if (parameter.at("in") == "path") {
              parameters.emplace(parameter.at("name").as_string());
            }
          }
        }
        EXPECT_EQ(parameters, parameters_of(path)) << name;
        EXPECT_TRUE(ids.emplace(operation.at("operationId").as_string()).second) << name;
        EXPECT_TRUE(tags.contains(std::string(operation.at("tags").at(0).as_string()))) << name;
        EXPECT_FALSE(operation.at("responses").as_object().empty()) << name;
      });
}

void collect_references(const json::value& from, std::vector<std::string>& to) {
  if (const json::object* object = from.if_object()) {
    for (const auto& member : *object) {
      if (member.key() == "$ref") {
        to.emplace_back(member.value().as_string());
      } else {
        collect_references(member.value(), to);
      }
    }
  } else if (const json::array* array = from.if_array()) {
    for (const json::value& each : *array) {
      collect_references(each, to);
    }
  }
}

TEST_F(OpenApi, EveryReferenceLeadsSomewhereAndEveryComponentIsReferredTo) {
  std::vector<std::string> references;
  collect_references(document, references);
  const std::set<std::string> used(references.begin(), references.end());
  for (const std::string& each : used) {
    boost::system::error_code error;
    EXPECT_NE(document.find_pointer(std::string_view(each).substr(1), error), nullptr) << each;
  }
  for (const auto& kind : document.at("components").as_object()) {
    if (kind.key() == "securitySchemes") {
      continue;  // referred to by name
    }
    for (const auto& each : kind.value().as_object()) {
      EXPECT_TRUE(
          used.contains("#/components/" + std::string(kind.key()) + "/" + std::string(each.key())))
          << kind.key() << " " << each.key();
    }
  }
}

// What the service writes has the members that its schema says, and no other.
void expect_members(const json::object& of, const json::object& schema, const std::string& what) {
  for (const json::value& each : schema.at("required").as_array()) {
    EXPECT_TRUE(of.contains(each.as_string())) << what << " has no " << each;
  }
  for (const auto& member : of) {
    EXPECT_TRUE(schema.at("properties").as_object().contains(member.key()))
        << what << ": " << member.key() << " is not described";
  }
}

TEST_F(OpenApi, WhatIsServedHasTheMembersThatAreDescribed) {
  const json::object& schemas = document.at("components").at("schemas").as_object();
  const auto expect_schema = [&](const marketplace::http::response& answer, const char* name) {
    expect_members(json_of(answer).as_object(), schemas.at(name).as_object(), name);
    return json_of(answer);
  };
  const json::value made = expect_schema(
      it.post("/v1/agents",
              R"({"agent_name":"a","base_url":"https://a.example.com","description":"d"})"),
      "RegisteredAgent");
  const std::string path = "/v1/agents/" + std::string(made.at("agent_id").as_string());
  const std::string token = "Bearer " + std::string(made.at("owner_token").as_string());
  expect_schema(it.get(path), "Agent");
  expect_schema(it.get("/v1/agents?total=true"), "AgentList");
  expect_schema(it.post("/v1/agents", "{}"), "Problem");
  expect_schema(it.get("/v1/changes"), "Changes");
  expect_schema(it.get("/v1/tags"), "Tags");
  expect_schema(it.get("/healthz"), "Status");
  const json::value locks = expect_schema(it.get("/v1/locks"), "Locks");
  expect_members(locks.at("locks").at(0).as_object(), schemas.at("Lock").as_object(), "Lock");
  expect_schema(it.get(path + "/history", {{"authorization", token}}), "History");
  expect_schema(it.ask("POST", path + "/rotate", "", {{"authorization", token}}), "OwnerToken");
  expect_schema(it.get("/.well-known/ard.json"), "Catalog");
  expect_schema(it.post("/api/ard/search", R"({"query":{"text":"a"}})"), "ArdResults");
  expect_schema(it.get("/api/ard/agents"), "ArdList");
  const json::value python = json_of(it.get("/register/new_entries"));
  expect_members(python.at(0).as_object(), schemas.at("PythonProfile").as_object(), "profile");
}

TEST_F(OpenApi, ThePageHasEveryOperationAndNothingFromElsewhere) {
  const auto page = it.get("/docs");
  EXPECT_EQ(page.status, 200U);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_EQ(it.get("/redoc").body, page.body);
  for_each_operation([&](const std::string& name, const std::string& path, const json::object&) {
    const std::string row =
        "<span class=method>" + name.substr(0, name.find(' ')) + "</span><code>" + path + "</code>";
    EXPECT_NE(page.body.find(row), std::string::npos) << row;
  });
  for (const char* foreign : {"src=", "<link", "<script", "@import", "url("}) {
    EXPECT_EQ(page.body.find(foreign), std::string::npos) << foreign;
  }
}

TEST_F(OpenApi, WhatTheClientHasIsNotSentAgain) {
  for (const char* path : {"/openapi.json", "/docs"}) {
    const std::string etag = header_of(it.get(path), "ETag");
    EXPECT_EQ(it.get(path, {{"if-none-match", etag}}).status, 304U) << path;
  }
}

}  // namespace
