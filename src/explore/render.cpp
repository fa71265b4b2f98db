// SPDX-License-Identifier: BSL-1.0
// Copyright (c) 2026 the corolock developers

// How a result is shown: as plain text, as JSON, as a page of HTML.

#include <corolock/explore/check.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

COROLOCK_BEGIN
namespace explore {

namespace {

// Characters, not bytes, so that an arrow does not shift a column.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(std::string text, std::size_t to) {
  for (std::size_t w = width(text); w < to; ++w) {
    text += ' ';
  }
  return text;
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string counted(std::uint64_t n, std::string_view what) {
  return std::to_string(n) + " " + std::string(what) + (n == 1 ? "" : "s");
}

std::string cell(const trace_line& line) {
  return line.where.empty() ? line.text : line.text + "  " + line.where;
}

std::string_view name_of(verdict v) {
  switch (v) {
    case verdict::verified: return "verified";
    case verdict::bounded: return "bounded";
    case verdict::sampled: return "sampled";
    case verdict::failed: return "failed";
  }
  return "";
}

std::string_view name_of(failure_kind k) {
  switch (k) {
    case failure_kind::invariant: return "invariant";
    case failure_kind::exception: return "exception";
    case failure_kind::contract: return "contract";
    case failure_kind::deadlock: return "deadlock";
    case failure_kind::lost_wakeup: return "lost wake-up";
    case failure_kind::starvation: return "starvation";
    case failure_kind::livelock: return "livelock";
    case failure_kind::nondeterminism: return "nondeterminism";
  }
  return "";
}

std::string conclusion(const advice& a, verdict v) {
  if (a.needs_lock()) {
    return v == verdict::verified ? "needs a lock, and nothing fails with what it has"
                                  : "needs a lock";
  }
  if (!a.by_several_tasks) {
    return "needs no lock: one task uses it";
  }
  if (!a.is_written) {
    return "needs no lock: nobody writes it";
  }
  if (a.read_again) {
    return "read again in the step that writes it: atomic without one, unless what was read before "
           "has decided something";
  }
  return "atomic without one: no task reads it in one step and writes it in a later one";
}

// So many lines are a screen: of a run without an end the first and the last ones tell enough.
constexpr std::size_t longest_table = 60;

std::string table(const failure& f) {
  std::vector<std::size_t> widths;
  widths.reserve(f.columns.size());
  for (const std::string& name : f.columns) {
    widths.push_back(width(name));
  }
  for (const trace_line& line : f.lines) {
    widths[line.column] = std::max(widths[line.column], width(cell(line)));
  }
  std::string out = "  step ";
  for (std::size_t c = 0; c != f.columns.size(); ++c) {
    out += "| " + padded(f.columns[c], widths[c]) + " ";
  }
  out = trimmed(std::move(out));
  out += "\n  -----";
  for (const std::size_t w : widths) {
    out += "+" + std::string(w + 2, '-');
  }
  out += "\n";
  std::uint32_t last = 0;
  for (std::size_t i = 0; i != f.lines.size(); ++i) {
    if (f.lines.size() > longest_table && i == longest_table / 2) {
      const std::size_t left_out = f.lines.size() - longest_table;
      out += "  ... " + counted(left_out, "line") + " left out (json() and html() have them)\n";
      i += left_out;
    }
    const trace_line& line = f.lines[i];
    const std::string number = line.step == last ? "" : std::to_string(line.step);
    last = line.step;
    std::string row = line.preempts ? " *" : "  ";
    row += std::string(4 - std::min<std::size_t>(4, number.size()), ' ') + number + " ";
    for (std::size_t c = 0; c != f.columns.size(); ++c) {
      row += "| " + padded(c == line.column ? cell(line) : "", widths[c]) + " ";
    }
    out += trimmed(std::move(row)) + "\n";
  }
  return out;
}

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\u%04x", static_cast<unsigned>(byte));
      out += escaped.data();
    } else {
      out += c;
    }
  }
  out += '"';
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

std::string result::summary() const {
  switch (verdict) {
    case verdict::verified:
      return traces == 1 ? "VERIFIED the one trace that there is"
                         : "VERIFIED all " + counted(traces, "trace");
    case verdict::bounded: return "BOUNDED by " + bound + ", " + counted(traces, "trace");
    case verdict::sampled: return "SAMPLED " + counted(traces, "schedule");
    case verdict::failed: break;
  }
  std::string text =
      failure->kind == failure_kind::invariant ? "FAILED, required was: " : "FAILED: ";
  text += failure->message;
  if (failing > 1) {
    text += " (" + std::to_string(failing) + " of " + counted(traces, "trace") + ")";
  }
  return text;
}

std::string result::text() const {
  std::string out = summary() + "\n";
  if (failure) {
    const explore::failure& f = *failure;
    if (!f.lines.empty()) {
      out += "\n" + table(f) + "\n";
    }
    for (const std::string& line : f.waits) {
      out += "  " + line + "\n";
    }
    for (const std::string& hint : f.hints) {
      out += "  " + hint + "\n";
    }
    if (!f.reason.empty()) {
      out += "  It passes with these two the other way round:\n    " + f.reason + "\n";
    }
    if (f.preemptions != 0) {
      out += "  * the task before could have gone on\n";
    }
  }
  for (const explore::advice& a : advice) {
    out += "  " + a.name + ": " + (a.by_several_tasks ? "several tasks" : "one task") +
           (a.is_written ? ", written" : ", only read") +
           (a.split ? ", read and written in different steps" : "") + ": " +
           conclusion(a, verdict) + "\n";
  }
  if (failure && !failure->token.empty()) {
    out += "  Again: COROLOCK_REPLAY=" + failure->token + "\n";
    out +=
        "  As a test: EXPECT_TRUE(corolock::explore::replay(\"" + failure->token + "\", body));\n";
  }
  return out;
}

std::string result::json() const {
  std::string out = "{\"verdict\":";
  append_json(out, name_of(verdict));
  out += ",\"summary\":";
  append_json(out, summary());
  out += ",\"bound\":";
  append_json(out, bound);
  out += ",\"traces\":" + std::to_string(traces) + ",\"failing\":" + std::to_string(failing) +
         ",\"blocked\":" + std::to_string(blocked) + ",\"runs\":" + std::to_string(runs);
  out += ",\"shared\":[";
  for (std::size_t i = 0; i != advice.size(); ++i) {
    const explore::advice& a = advice[i];
    out += i == 0 ? "{\"name\":" : ",{\"name\":";
    append_json(out, a.name);
    const auto flag = [](bool b) { return b ? "true" : "false"; };
    out += std::string(",\"by_several_tasks\":") + flag(a.by_several_tasks) +
           ",\"is_written\":" + flag(a.is_written) + ",\"split\":" + flag(a.split) +
           ",\"read_again\":" + flag(a.read_again) + ",\"needs_lock\":" + flag(a.needs_lock()) +
           "}";
  }
  out += "]";
  if (failure) {
    const explore::failure& f = *failure;
    out += ",\"failure\":{\"kind\":";
    append_json(out, name_of(f.kind));
    out += ",\"message\":";
    append_json(out, f.message);
    out += ",\"preemptions\":" + std::to_string(f.preemptions) +
           ",\"steps\":" + std::to_string(f.steps) + ",\"token\":";
    append_json(out, f.token);
    out += ",\"reason\":";
    append_json(out, f.reason);
    out += ",\"hints\":[";
    for (std::size_t i = 0; i != f.hints.size(); ++i) {
      out += i == 0 ? "" : ",";
      append_json(out, f.hints[i]);
    }
    out += "],\"waits\":[";
    for (std::size_t i = 0; i != f.waits.size(); ++i) {
      out += i == 0 ? "" : ",";
      append_json(out, f.waits[i]);
    }
    out += "],\"columns\":[";
    for (std::size_t i = 0; i != f.columns.size(); ++i) {
      out += i == 0 ? "" : ",";
      append_json(out, f.columns[i]);
    }
    out += "],\"lines\":[";
    for (std::size_t i = 0; i != f.lines.size(); ++i) {
      const trace_line& line = f.lines[i];
      out += i == 0 ? "{\"step\":" : ",{\"step\":";
      out +=
          std::to_string(line.step) + ",\"column\":" + std::to_string(line.column) + ",\"text\":";
      append_json(out, line.text);
      out += ",\"where\":";
      append_json(out, line.where);
      out += std::string(",\"preempts\":") + (line.preempts ? "true" : "false") + "}";
    }
    out += "]}";
  }
  return out + "}";
}

std::string result::html() const {
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<title>corolock: " +
      escaped(summary()) +
      "</title><style>\n"
      ":root{color-scheme:light dark}\n"
      "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\n"
      "h1{font-size:1.3rem}\n"
      ".scroll{overflow-x:auto}\n"
      "table{border-collapse:collapse;font:13px/1.5 ui-monospace,monospace}\n"
      "th,td{text-align:left;vertical-align:top;padding:.15rem .7rem;"
      "border-left:1px solid #8886}\n"
      "th:first-child,td:first-child{text-align:right;border-left:0;color:#888}\n"
      "thead th{border-bottom:1px solid #888}\n"
      "tr.preempts td{border-top:2px solid #c60}\n"
      ".where{color:#888;margin-left:.7rem}\n"
      ".failed{color:#b00020}.passed{color:#0a7d2c}\n"
      "@media(prefers-color-scheme:dark){.failed{color:#ff6b7f}.passed{color:#5fd38a}}\n"
      "code{overflow-wrap:anywhere}\n"
      "</style></head><body>\n<h1 class=\"";
  out += verdict == verdict::failed ? "failed" : "passed";
  out += "\">" + escaped(summary()) + "</h1>\n";
  if (failure) {
    const explore::failure& f = *failure;
    if (!f.lines.empty()) {
      out += "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">step</th>";
      for (const std::string& c : f.columns) {
        out += "<th scope=\"col\">" + escaped(c) + "</th>";
      }
      out += "</tr></thead><tbody>\n";
      std::uint32_t last = 0;
      for (const trace_line& line : f.lines) {
        out += line.preempts ? "<tr class=\"preempts\"><td>" : "<tr><td>";
        out += line.step == last ? "" : std::to_string(line.step);
        last = line.step;
        out += "</td>";
        for (std::size_t c = 0; c != f.columns.size(); ++c) {
          out += "<td>";
          if (c == line.column) {
            out += escaped(line.text);
            if (!line.where.empty()) {
              out += "<span class=\"where\">" + escaped(line.where) + "</span>";
            }
          }
          out += "</td>";
        }
        out += "</tr>\n";
      }
      out += "</tbody></table></div>\n";
    }
    if (!f.waits.empty()) {
      out += "<ul>";
      for (const std::string& w : f.waits) {
        out += "<li>" + escaped(w) + "</li>";
      }
      out += "</ul>\n";
    }
    for (const std::string& hint : f.hints) {
      out += "<p>" + escaped(hint) + "</p>\n";
    }
    if (!f.reason.empty()) {
      out += "<p>It passes with these two the other way round: " + escaped(f.reason) + "</p>\n";
    }
    if (f.preemptions != 0) {
      out += "<p>A line above a row: the task before could have gone on.</p>\n";
    }
  }
  if (!advice.empty()) {
    out += "<ul>";
    for (const explore::advice& a : advice) {
      out += "<li><b>" + escaped(a.name) + "</b>: " + escaped(conclusion(a, verdict)) + "</li>";
    }
    out += "</ul>\n";
  }
  if (failure && !failure->token.empty()) {
    out += "<p>Again: <code>COROLOCK_REPLAY=" + escaped(failure->token) + "</code></p>\n";
  }
  return out + "</body></html>\n";
}

std::ostream& operator<<(std::ostream& out, const result& r) {
  return out << r.text();
}

}  // namespace explore
COROLOCK_END
