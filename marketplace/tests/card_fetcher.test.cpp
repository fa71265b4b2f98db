// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// The fetcher against hosts of the test's own, on loopback and on the same thread. A host is a
// function from a request's head to the bytes of the answer.

#include <corolock/asio/wait.hpp>
#include <corolock/async_event.hpp>
#include <corolock/errc.hpp>
#include <marketplace/card_fetcher.hpp>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace marketplace {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using tcp = asio::ip::tcp;
using testing::HasSubstr;
using fetched = boost::system::result<fetched_card, text_error>;

std::string answer(std::string_view body, std::string_view headers = "") {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + std::string(headers) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
std::string redirect_to(std::string_view url) {
  return "HTTP/1.1 302 Found\r\nLocation: " + std::string(url) + "\r\nContent-Length: 0\r\n\r\n";
}

class CardFetcherTest : public testing::Test {
 public:
  asio::io_context context;
  tcp::acceptor acceptor{context, {asio::ip::address_v4::any(), 0}};
  std::vector<std::string> asked;  // the targets
  std::function<std::string(const std::string& head)> host = [](const std::string&) {
    return answer(R"({"name":"n"})");
  };
  corolock::async_event go_on{true};  // a host answers while it is set
  bool drips = false;                 // a host answers byte by byte
  int being_served = 0;
  int most_being_served = 0;
  corolock::async_event served_one;

  CardFetcherTest() { asio::co_spawn(context, accept(), asio::detached); }

  awaitable<void> accept() {
    for (;;) {
      boost::system::error_code error;
      auto socket = co_await acceptor.async_accept(asio::redirect_error(use_awaitable, error));
      if (error) {
        co_return;
      }
      asio::co_spawn(context, serve(std::move(socket)), asio::detached);
    }
  }

  awaitable<void> serve(tcp::socket socket) {
    std::string head;
    boost::system::error_code error;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n",
                                    asio::redirect_error(use_awaitable, error));
    if (error) {
      co_return;
    }
    asked.push_back(head.substr(4, head.find(' ', 4) - 4));
    most_being_served = std::max(most_being_served, ++being_served);
    served_one.set();
    co_await corolock::async_wait(go_on, use_awaitable);
    --being_served;
    const std::string text = host(head);
    if (drips) {
      asio::steady_timer pause(context);
      for (std::size_t i = 0; i < text.size() && !error; ++i) {
        co_await asio::async_write(socket, asio::buffer(&text[i], 1),
                                   asio::redirect_error(use_awaitable, error));
        pause.expires_after(std::chrono::milliseconds(5));
        co_await pause.async_wait(use_awaitable);
      }
      co_return;
    }
    co_await asio::async_write(socket, asio::buffer(text),
                               asio::redirect_error(use_awaitable, error));
  }

  [[nodiscard]] std::string url(const std::string& path,
                                const std::string& at = "127.0.0.1") const {
    return "http://" + at + ":" + std::to_string(acceptor.local_endpoint().port()) + path;
  }

  static card_fetcher_options dev() {
    card_fetcher_options options;
    options.allow_http_and_loopback = true;
    return options;
  }

  fetched run(awaitable<fetched> call) {
    std::optional<fetched> result;
    asio::co_spawn(context, std::move(call), [&](const std::exception_ptr& error, fetched value) {
      EXPECT_FALSE(error);
      result = std::move(value);
      acceptor.close();
    });
    context.run();
    return *result;
  }
  std::string error_of(awaitable<fetched> call) {
    const fetched result = run(std::move(call));
    return result ? "none" : result.error().message();
  }
};

TEST_F(CardFetcherTest, ACardIsFetchedWithItsETag) {
  host = [](const std::string&) { return answer(R"({"name":"n"})", "ETag: \"e\"\r\n"); };
  card_fetcher fetcher(context.get_executor(), dev());
  const fetched found = run(fetcher.fetch(url("/a/card.json?x=1")));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->text, R"({"name":"n"})");
  EXPECT_EQ(found->card.name, "n");
  EXPECT_EQ(found->etag, "\"e\"");
  EXPECT_EQ(asked, (std::vector<std::string>{"/a/card.json?x=1"}));
  EXPECT_EQ(fetcher.requests(), 1U);
}

TEST_F(CardFetcherTest, ACardThatDidNotChangeIsNotSentAgain) {
  host = [](const std::string& head) {
    return head.find("If-None-Match: \"e\"") == std::string::npos
               ? answer("{}")
               : std::string("HTTP/1.1 304 Not Modified\r\n\r\n");
  };
  card_fetcher fetcher(context.get_executor(), dev());
  const fetched found = run(fetcher.fetch(url("/"), "\"e\""));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_TRUE(found->is_unchanged);
}

TEST_F(CardFetcherTest, NotModifiedIsNoAnswerToWhoHasNoCardYet) {
  host = [](const std::string&) { return std::string("HTTP/1.1 304 Not Modified\r\n\r\n"); };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "answered with status 304");
}

TEST_F(CardFetcherTest, AnAgentsCardIsLookedForBelowItsUrlThenAtItsOriginThenUnderTheOlderName) {
  host = [](const std::string& head) {
    return head.starts_with("GET /base/.well-known/agent.json ")
               ? answer("{}")
               : std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  };
  card_fetcher fetcher(context.get_executor(), dev());
  const fetched found = run(fetcher.discover(url("/base/")));
  EXPECT_TRUE(found);
  EXPECT_EQ(asked, (std::vector<std::string>{"/base/.well-known/agent-card.json",
                                             "/.well-known/agent-card.json",
                                             "/base/.well-known/agent.json"}));
}

TEST_F(CardFetcherTest, TheOlderNameIsLookedForAtTheOriginToo) {
  host = [](const std::string& head) {
    return head.starts_with("GET /.well-known/agent.json ")
               ? answer("{}")
               : std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  };
  card_fetcher fetcher(context.get_executor(), dev());
  const fetched found = run(fetcher.discover(url("/base")));
  EXPECT_TRUE(found);
  EXPECT_EQ(asked.size(), 4U);
}

TEST_F(CardFetcherTest, ARedirectIsFollowed) {
  host = [](const std::string& head) {
    return head.starts_with("GET /a ") ? redirect_to("b") : answer("{}");
  };
  card_fetcher fetcher(context.get_executor(), dev());
  const std::string target = url("/b");
  const fetched found = run(fetcher.fetch(url("/a")));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->url, target);
}

TEST_F(CardFetcherTest, ARedirectToAnAddressThatIsNotPublicIsRefused) {
  host = [](const std::string&) { return redirect_to("http://169.254.169.254/latest/"); };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_THAT(error_of(fetcher.fetch(url("/"))), HasSubstr("not public: 169.254.169.254"));
  EXPECT_EQ(fetcher.requests(), 1U);
}

TEST_F(CardFetcherTest, RedirectsEnd) {
  host = [](const std::string&) { return redirect_to("/again"); };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "is redirected too often");
  EXPECT_EQ(asked.size(), 4U);
}

TEST_F(CardFetcherTest, WhatIsTooLongIsNotReadToItsEnd) {
  host = [](const std::string&) { return answer(std::string(max_card_bytes + 1, ' ')); };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "is longer than 262144 bytes");
}

TEST_F(CardFetcherTest, ABodyWithoutALengthIsBoundedToo) {
  host = [](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" +
           std::string(max_card_bytes * 2, ' ');
  };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "is longer than 262144 bytes");
}

TEST_F(CardFetcherTest, ABodyInChunksIsRead) {
  host = [](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
           "5\r\n{\"nam\r\n6;x=y\r\ne\":\"n\"\r\n1\r\n}\r\n0\r\n\r\n";
  };
  card_fetcher fetcher(context.get_executor(), dev());
  const fetched found = run(fetcher.fetch(url("/")));
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->text, R"({"name":"n"})");
}

TEST_F(CardFetcherTest, AChunkThatNeverEndsIsBoundedToo) {
  host = [](const std::string&) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
           "FFFFFFF\r\n" +
           std::string(max_card_bytes + 1000, ' ');
  };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "is longer than 262144 bytes");
}

TEST_F(CardFetcherTest, ABodyThatIsShorterThanItsLengthIsNoCard) {
  host = [](const std::string&) {
    return std::string(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}");
  };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_THAT(error_of(fetcher.fetch(url("/"))), HasSubstr("could not be read"));
}

TEST_F(CardFetcherTest, ALengthThatIsTooMuchIsNotWaitedFor) {
  host = [](const std::string&) {
    return std::string(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        "99999999999\r\n\r\n{}");
  };
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "is longer than 262144 bytes");
}

TEST_F(CardFetcherTest, ARedirectToAnotherSchemeOrAUserIsRefused) {
  card_fetcher fetcher(context.get_executor(), dev());
  std::vector<std::string> errors;
  asio::co_spawn(
      context,
      [](CardFetcherTest& t, card_fetcher& f, std::vector<std::string>& into) -> awaitable<void> {
        for (const char* to : {"ftp://example.com/card.json", "file:///etc/passwd",
                               "http://a:b@127.0.0.1/", "http://[::1", ""}) {
          t.host = [to](const std::string&) { return redirect_to(to); };
          const fetched found = co_await f.fetch(t.url("/"));
          into.push_back(found ? "none" : found.error().message());
        }
        t.acceptor.close();
      }(*this, fetcher, errors),
      asio::detached);
  context.run();
  ASSERT_EQ(errors.size(), 5U);
  for (const std::string& error : errors) {
    EXPECT_THAT(error, HasSubstr("is redirected"));
  }
  EXPECT_EQ(fetcher.requests(), 8U) << "the empty Location leads to itself, four times";
}

TEST_F(CardFetcherTest, WhatIsNoCardIsRefused) {
  card_fetcher fetcher(context.get_executor(), dev());
  std::vector<std::string> answers{
      "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}",
      answer("{}", "Content-Encoding: gzip\r\n"), answer("[1]"), "nonsense\r\n\r\n"};
  host = [&answers, n = std::size_t{0}](const std::string&) mutable { return answers[n++]; };
  std::vector<std::string> errors;
  asio::co_spawn(
      context,
      [](CardFetcherTest& t, card_fetcher& f, std::vector<std::string>& into) -> awaitable<void> {
        for (int i = 0; i < 4; ++i) {
          const fetched found = co_await f.fetch(t.url("/"));
          into.push_back(found ? "none" : found.error().message());
        }
        t.acceptor.close();
      }(*this, fetcher, errors),
      asio::detached);
  context.run();
  ASSERT_EQ(errors.size(), 4U);
  EXPECT_EQ(errors[0], "is not said to be JSON (Content-Type)");
  EXPECT_EQ(errors[1], "is compressed, and nobody asked for that");
  EXPECT_EQ(errors[2], "is not a JSON object");
  EXPECT_THAT(errors[3], HasSubstr("could not be read"));
}

TEST_F(CardFetcherTest, AHostThatNeverAnswersIsGivenUp) {
  go_on.reset();
  card_fetcher_options options = dev();
  options.time_limit = std::chrono::milliseconds(20);
  card_fetcher fetcher(context.get_executor(), options);
  std::optional<fetched> result;
  asio::co_spawn(context, fetcher.fetch(url("/")), [&](const std::exception_ptr&, fetched value) {
    result = std::move(value);
    acceptor.close();
    go_on.set();
  });
  context.run();
  ASSERT_TRUE(result);
  EXPECT_EQ(result->error().message(), "did not answer in time");
  EXPECT_EQ(fetcher.slots().statistics().available, options.fetches_at_once);
}

TEST_F(CardFetcherTest, AHostThatSendsAByteNowAndThenIsGivenUpToo) {
  card_fetcher_options options = dev();
  options.time_limit = std::chrono::milliseconds(60);
  card_fetcher fetcher(context.get_executor(), options);
  drips = true;
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "did not answer in time");
}

TEST_F(CardFetcherTest, WhoWaitsTooLongForAHostGivesUpItsPlaceInTheQueue) {
  go_on.reset();
  card_fetcher_options options = dev();
  options.wait_limit = std::chrono::milliseconds(20);
  card_fetcher fetcher(context.get_executor(), options);
  boost::system::error_code why;
  asio::co_spawn(context, fetcher.fetch(url("/")),
                 [&](const std::exception_ptr&, const fetched& f) {
                   EXPECT_TRUE(f);
                   acceptor.close();
                 });
  while (being_served == 0) {
    context.run_one();
  }
  asio::co_spawn(context, fetcher.fetch(url("/")),
                 [&](const std::exception_ptr& error, const fetched&) {
                   try {
                     std::rethrow_exception(error);
                   } catch (const boost::system::system_error& e) {
                     why = e.code();
                   }
                   go_on.set();
                 });
  context.run();
  EXPECT_EQ(why, corolock::errc::timed_out);
  EXPECT_EQ(asked.size(), 1U);
  EXPECT_EQ(fetcher.hosts().size(), 0U);
}

TEST_F(CardFetcherTest, HttpAndLoopbackAreForDevelopmentOnly) {
  card_fetcher fetcher(context.get_executor(), card_fetcher_options());
  EXPECT_EQ(error_of(fetcher.fetch(url("/"))), "is not at an https URL");
}

TEST_F(CardFetcherTest, ANameThatLeadsToLoopbackIsRefused) {
  card_fetcher fetcher(context.get_executor(), card_fetcher_options());
  EXPECT_THAT(error_of(fetcher.fetch("https://localhost/card.json")), HasSubstr("not public"));
  EXPECT_EQ(fetcher.requests(), 0U);
}

TEST_F(CardFetcherTest, AMappedPrivateAddressIsRefused) {
  card_fetcher fetcher(context.get_executor(), dev());
  EXPECT_THAT(error_of(fetcher.fetch("https://[::ffff:10.0.0.1]/")), HasSubstr("not public"));
}

TEST_F(CardFetcherTest, NoMoreThanTheBoundIsFetchedAtOnceAndOneAtATimeFromOneHost) {
  go_on.reset();
  card_fetcher_options options = dev();
  options.fetches_at_once = 4;
  card_fetcher fetcher(context.get_executor(), options);
  int done = 0;
  constexpr int all = 60;
  for (int i = 0; i < all; ++i) {  // twenty hosts, three fetches each
    asio::co_spawn(context, fetcher.fetch(url("/", "127.0.0." + std::to_string(1 + i % 20))),
                   [&](const std::exception_ptr& error, const fetched& found) {
                     EXPECT_FALSE(error);
                     EXPECT_TRUE(found);
                     if (++done == all) {
                       acceptor.close();
                     }
                   });
  }
  while (being_served < 4) {
    context.run_one();
  }
  EXPECT_EQ(fetcher.slots().statistics().available, 0U);
  EXPECT_EQ(fetcher.slots().statistics().waiters, 16U) << "the others wait for their host";
  go_on.set();
  context.run();
  EXPECT_EQ(done, all);
  EXPECT_EQ(most_being_served, 4);
  EXPECT_EQ(fetcher.hosts().size(), 0U);
}

TEST_F(CardFetcherTest, AFetchThatIsCancelledGivesItsSlotBack) {
  go_on.reset();
  card_fetcher fetcher(context.get_executor(), dev());
  asio::cancellation_signal cancel;
  bool was_cancelled = false;
  asio::co_spawn(context, fetcher.fetch(url("/")),
                 asio::bind_cancellation_slot(cancel.slot(),
                                              [&](const std::exception_ptr& error, const fetched&) {
                                                was_cancelled = error != nullptr;
                                              }));
  while (being_served == 0) {
    context.run_one();
  }
  cancel.emit(asio::cancellation_type::terminal);
  acceptor.close();
  go_on.set();
  context.run();
  EXPECT_TRUE(was_cancelled);
  EXPECT_EQ(fetcher.hosts().size(), 0U);
  EXPECT_EQ(fetcher.slots().statistics().available, dev().fetches_at_once);
}

// A host with a certificate for "localhost" that it signed itself.
class CardFetcherTlsTest : public testing::Test {
 public:
  asio::io_context context;
  asio::ssl::context tls{asio::ssl::context::tls_server};
  tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};
  std::string certificate_file = testing::TempDir() + "/card_fetcher_localhost.pem";

  CardFetcherTlsTest() {
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    const std::unique_ptr<X509, void (*)(X509*)> certificate(X509_new(), &X509_free);
    X509_set_version(certificate.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    X509_set_pubkey(certificate.get(), key.get());
    const std::unique_ptr<X509_EXTENSION, void (*)(X509_EXTENSION*)> name(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost"),
        &X509_EXTENSION_free);
    X509_add_ext(certificate.get(), name.get(), -1);
    X509_sign(certificate.get(), key.get(), EVP_sha256());
    SSL_CTX_use_certificate(tls.native_handle(), certificate.get());
    SSL_CTX_use_PrivateKey(tls.native_handle(), key.get());
    std::FILE* const file = std::fopen(certificate_file.c_str(), "w");
    PEM_write_X509(file, certificate.get());
    std::fclose(file);
    asio::co_spawn(context, serve(), asio::detached);
  }
  ~CardFetcherTlsTest() override { std::remove(certificate_file.c_str()); }

  awaitable<void> serve() {
    boost::system::error_code error;
    auto socket = co_await acceptor.async_accept(asio::redirect_error(use_awaitable, error));
    if (error) {
      co_return;
    }
    asio::ssl::stream<tcp::socket> stream(std::move(socket), tls);
    co_await stream.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(use_awaitable, error));
    std::string head;
    if (!error) {
      co_await asio::async_read_until(stream, asio::dynamic_buffer(head), "\r\n\r\n",
                                      asio::redirect_error(use_awaitable, error));
    }
    if (!error) {
      const std::string text = answer(R"({"name":"n"})");
      co_await asio::async_write(stream, asio::buffer(text),
                                 asio::redirect_error(use_awaitable, error));
    }
  }

  // The certificates that are trusted are those of the file that SSL_CERT_FILE names.
  fetched fetch_from(const std::string& host, const std::string& trusted) {
    ::setenv("SSL_CERT_FILE", trusted.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    card_fetcher_options options;
    options.allow_http_and_loopback = true;
    card_fetcher fetcher(context.get_executor(), options);
    ::unsetenv("SSL_CERT_FILE");  // NOLINT(concurrency-mt-unsafe)
    std::optional<fetched> result;
    const std::string url =
        "https://" + host + ":" + std::to_string(acceptor.local_endpoint().port()) + "/card.json";
    asio::co_spawn(context, fetcher.fetch(url),
                   [&](const std::exception_ptr& error, fetched value) {
                     EXPECT_FALSE(error);
                     result = std::move(value);
                     acceptor.close();
                   });
    context.run();
    return *result;
  }
};

TEST_F(CardFetcherTlsTest, ACardIsFetchedFromAHostWhoseCertificateIsTrusted) {
  const fetched found = fetch_from("localhost", certificate_file);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->card.name, "n");
}

TEST_F(CardFetcherTlsTest, ACertificateThatNobodyTrustsIsRefused) {
  const fetched found = fetch_from("localhost", "/dev/null");
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(), HasSubstr("has no valid certificate"));
}

TEST_F(CardFetcherTlsTest, ACertificateOfAnotherNameIsRefused) {
  const fetched found = fetch_from("127.0.0.1", certificate_file);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(), HasSubstr("has no valid certificate"));
}

TEST(IsPublic, AddressesOfThePublicInternetAre) {
  for (const char* text : {"1.1.1.1", "93.184.216.34", "2606:4700::1", "64:ff9b::1.1.1.1",
                           "2002:0101:0101::1", "::ffff:1.1.1.1"}) {
    EXPECT_TRUE(is_public(asio::ip::make_address(text))) << text;
  }
}

TEST(IsPublic, AllOthersAreNot) {
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "127.0.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.0.2.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fc00::1",
                           "fe80::1",
                           "ff02::1",
                           "2001:db8::1",
                           "::ffff:10.0.0.1",
                           "::10.0.0.1",
                           "64:ff9b::10.0.0.1",
                           "2002:0a00:0001::1",
                           "2001::1",
                           "100::1"}) {
    EXPECT_FALSE(is_public(asio::ip::make_address(text))) << text;
  }
}

}  // namespace
}  // namespace marketplace
