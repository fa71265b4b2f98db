// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers
#pragma once

// own_etcd: a server of one test's own, to be stopped, started again and set up otherwise.
//
// It listens on two ports of the loopback interface: url() without and tls_url() with TLS, by a
// certificate for 127.0.0.1 that nobody has signed.

#include "engines.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace corolock_test {

/// A program that runs, its output in a file; killed, if need be, at the end.
class process {
 public:
  process(std::vector<std::string> command, const std::string& output) {
    std::vector<char*> arguments;
    arguments.reserve(command.size() + 1);
    for (std::string& each : command) {
      arguments.push_back(each.data());
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files{};
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    const int error = posix_spawnp(&id_, arguments[0], &files, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0) {
      throw std::runtime_error("there is no " + command[0] + " here");
    }
  }
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  ~process() { end(SIGKILL); }

  /// Its status.
  int wait() {
    int status = 0;
    while (id_ > 0 && waitpid(id_, &status, 0) < 0 && errno == EINTR) {
    }
    id_ = -1;
    return status;
  }
  void end(int by_signal) {
    if (id_ > 0) {
      kill(id_, by_signal);
      wait();
    }
  }

 private:
  pid_t id_ = -1;
};

class own_etcd {
 public:
  own_etcd() {
    std::string name = std::filesystem::temp_directory_path() / "corolock_etcd.XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
      throw std::runtime_error("no temporary folder");
    }
    folder_ = name;
    certify();
    // Free ones; all at once, so that they differ.
    asio::io_context context;
    std::vector<asio::ip::tcp::acceptor> probes;
    for (asio::ip::port_type* each : {&port_, &tls_port_, &peer_port_, &health_port_}) {
      probes.emplace_back(context, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
      *each = probes.back().local_endpoint().port();
    }
    probes.clear();
    start();
  }
  own_etcd(const own_etcd&) = delete;
  own_etcd& operator=(const own_etcd&) = delete;
  ~own_etcd() {
    server_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] std::string url() const { return "etcd://127.0.0.1:" + std::to_string(port_); }
  /// With `user`, which is "name:password@"; without the certificate it is not trusted.
  [[nodiscard]] std::string tls_url(const std::string& user = "") const {
    return "etcds://" + user + "127.0.0.1:" + std::to_string(tls_port_);
  }
  [[nodiscard]] std::string tls_port() const { return std::to_string(tls_port_); }
  [[nodiscard]] std::string certificate() const { return file("certificate"); }

  /// What it answers, to whom the token is of.
  [[nodiscard]] std::string says(const std::string& path, const std::string& question,
                                 const std::string& token = "") const {
    return etcd_says(url(), path, question, token);
  }

  void stop(int by_signal) { server_->end(by_signal); }
  void start() {
    const std::string client = "http://127.0.0.1:" + std::to_string(port_);
    const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port_);
    const std::vector<std::string> command{
        "etcd",
        "--name=one",
        "--data-dir=" + file("data"),
        "--listen-client-urls=" + client + "," + "https://127.0.0.1:" + std::to_string(tls_port_),
        "--advertise-client-urls=" + client,
        "--listen-peer-urls=" + peer,
        "--initial-advertise-peer-urls=" + peer,
        "--initial-cluster=one=" + peer,
        "--listen-metrics-urls=http://127.0.0.1:" + std::to_string(health_port_),
        "--cert-file=" + certificate(),
        "--key-file=" + file("key")};
    server_ = std::make_unique<process>(command, file("log"));
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!is_healthy()) {
      if (std::chrono::steady_clock::now() > limit) {
        throw std::runtime_error("etcd did not start; its log is " + file("log"));
      }
      // Nothing tells when it is: it is asked again.
      asio::io_context context;
      asio::steady_timer(context, std::chrono::milliseconds(20)).wait();
    }
  }

 private:
  [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }

  void certify() const {
    process made(
        {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=corolock", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", file("key"), "-out", certificate()},
        file("log"));
    if (made.wait() != 0) {
      throw std::runtime_error("openssl made no certificate");
    }
  }

  [[nodiscard]] bool is_healthy() const {
    asio::io_context context;
    asio::ip::tcp::socket server(context);
    boost::system::error_code error;
    server.connect({asio::ip::address_v4::loopback(), health_port_}, error);
    if (error) {
      return false;
    }
    const std::string question = "GET /health HTTP/1.0\r\n\r\n";
    asio::write(server, asio::buffer(question), error);
    std::string answer;
    asio::read(server, asio::dynamic_buffer(answer), error);
    return answer.find("\"true\"") != std::string::npos;
  }

  std::string folder_;
  asio::ip::port_type port_ = 0;
  asio::ip::port_type tls_port_ = 0;
  asio::ip::port_type peer_port_ = 0;
  asio::ip::port_type health_port_ = 0;
  std::unique_ptr<process> server_;
};

}  // namespace corolock_test
