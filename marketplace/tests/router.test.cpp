// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

#include <marketplace/http/router.hpp>

#include <boost/asio/awaitable.hpp>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace marketplace::http {
namespace {

route made(std::string method, std::string pattern, problem_writer writer = nullptr) {
  return {std::move(method), std::move(pattern),
          [](request&) -> boost::asio::awaitable<response> { co_return response(); },
          std::move(writer), false};
}

class Router : public testing::Test {
 public:
  Router() {
    routes.add(made("GET", "/things"));
    routes.add(made("POST", "/things"));
    routes.add(made("GET", "/things/{id}"));
    routes.add(made("GET", "/things/{id}/parts/{part}"));
    routes.add(made("GET", "/"));
    routes.add(made("PUT", "/odd/{id}", [](const problem&, const request&) {
      return response(418, "text/plain", "odd");
    }));
  }

  // The pattern that serves the target, and its parameters: "/things/{id} [a]".
  std::string found(std::string target, std::string method = "GET") {
    request r;
    r.method = std::move(method);
    r.target = std::move(target);
    std::string text;
    try {
      text = routes.find(r).pattern;
    } catch (const problem& what) {
      std::string allow;
      for (const auto& [name, value] : what.headers()) {
        allow += " " + name + ": " + value;
      }
      return std::to_string(what.status()) + allow;
    }
    for (const std::string& each : r.parameters) {
      text += " [" + each + "]";
    }
    for (const auto& [name, value] : r.query) {
      text += " " + name + "=" + value;
    }
    return text;
  }

  router routes;
};

TEST_F(Router, ServesExactPaths) {
  EXPECT_EQ(found("/things"), "/things");
  EXPECT_EQ(found("/"), "/");
  EXPECT_EQ(found("/things/7"), "/things/{id} [7]");
  EXPECT_EQ(found("/things/7/parts/x"), "/things/{id}/parts/{part} [7] [x]");
  for (const char* target : {"/Things", "/things/", "/things/7/", "/things//parts/x", "//", "/x",
                             "/things/7/parts", "/things/7/parts/x/y", "/things;a"}) {
    EXPECT_EQ(found(target), "404") << target;
  }
}

TEST_F(Router, TakesDotSegmentsForWhatTheyAre) {
  EXPECT_EQ(found("/things/.."), "/things/{id} [..]");
  EXPECT_EQ(found("/things/../things"), "404");
}

TEST_F(Router, DecodesASegmentOnce) {
  EXPECT_EQ(found("/things/a%2Fb"), "/things/{id} [a/b]");
  EXPECT_EQ(found("/things/%2e%2E%2fx"), "/things/{id} [../x]");
  EXPECT_EQ(found("/things/%2541"), "/things/{id} [%41]");
  EXPECT_EQ(found("/things/a+b"), "/things/{id} [a+b]");
  EXPECT_EQ(found("/%74hings"), "404");
}

TEST_F(Router, DecodesTheQuery) {
  EXPECT_EQ(found("/things?a=1&b=x+y%26z&a=2&c&&=e"), "/things a=1 b=x y&z a=2 c= =e");
  EXPECT_EQ(found("/things?"), "/things");
  EXPECT_EQ(found("/things?a=b=c?d"), "/things a=b=c?d");
}

TEST_F(Router, RefusesWhatCannotBeDecoded) {
  for (const char* target :
       {"/things/%", "/things/%4", "/things/%zz", "/things/%00", "/things/%0a", "/things/%ff",
        "/things/%c3", "/things?a=%", "/things?%zz=1", "/things?a=%7f", "/nothing/%zz", "things",
        "", "*", "http://example.com/things"}) {
    EXPECT_EQ(found(target), "400") << target;
  }
}

TEST_F(Router, ServesHeadByGet) {
  EXPECT_EQ(found("/things/7", "HEAD"), "/things/{id} [7]");
  EXPECT_EQ(found("/odd/7", "HEAD"), "405 Allow: PUT");
}

TEST_F(Router, NamesTheMethodsOfAPath) {
  EXPECT_EQ(found("/things", "DELETE"), "405 Allow: GET, HEAD, POST");
  EXPECT_EQ(found("/things/7", "POST"), "405 Allow: GET, HEAD");
  EXPECT_EQ(found("/things", "get"), "405 Allow: GET, HEAD, POST");
  EXPECT_EQ(found("/x", "DELETE"), "404");
}

TEST_F(Router, KnowsHowTheClientsOfAPathExpectAProblem) {
  EXPECT_TRUE(routes.writer_of("/odd/%zz"));
  EXPECT_FALSE(routes.writer_of("/things/%zz"));
  EXPECT_FALSE(routes.writer_of("/nothing"));
}

TEST(PercentEncoding, IsTheInverseOfDecodingASegment) {
  std::string all;
  for (char c = ' '; c < 0x7f; ++c) {
    all += c;
  }
  all += "ä€😀";
  const std::string encoded = percent_encoded(all);
  EXPECT_EQ(percent_decoded(encoded, false, "it"), all);
  EXPECT_EQ(encoded.find_first_of("/?#%+ ") == std::string::npos, false);  // the escapes' own '%'
  EXPECT_EQ(encoded.find_first_of("/?#+ \""), std::string::npos);
  EXPECT_EQ(percent_encoded("urn:air:a.b:c_d~e@f-g"), "urn:air:a.b:c_d~e@f-g");
  EXPECT_EQ(percent_encoded("a/b c"), "a%2Fb%20c");
}

}  // namespace
}  // namespace marketplace::http
