#include "index/text_query.h"

#include <algorithm>
#include <unordered_map>

#include "base/utf8.h"
#include "index/common_words.h"
#include "index/folding.h"
#include "index/words.h"

namespace strata::index {
namespace {

// One part of a query as it is written.
struct Atom {
  bool minus = false;
  bool quoted = false;
  std::string_view field;
  std::string_view body;
  size_t end = 0;
};

class AtomReader {
 public:
  explicit AtomReader(std::string_view text) : text_(text) {}

  bool next(Atom* atom) {
    while (at_ < text_.size()) {
      if (read(atom)) {
        at_ = atom->end;
        return true;
      }
      size_t end = 0;
      base::decode_utf8(text_, at_, &end);
      at_ = end;
    }
    return false;
  }

 private:
  bool read(Atom* atom) const {
    if (text_[at_] == '-' && read_signed(true, at_ + 1, atom)) return true;
    return read_signed(false, at_, atom);
  }

  bool read_signed(bool minus, size_t at, Atom* atom) const {
    *atom = Atom();
    atom->minus = minus;
    const size_t colon = field_end(at);
    if (colon != 0 && read_body(colon + 1, atom)) {
      atom->field = text_.substr(at, colon - at);
      return true;
    }
    return read_body(at, atom);
  }

  // Where the colon of a field lies that begins at `at` and is followed by a word or a quote; 0: there is none.
  size_t field_end(size_t at) const {
    if (at >= text_.size()) return 0;
    size_t end = 0;
    const uint32_t first = base::decode_utf8(text_, at, &end);
    if (first != '_' && (!is_letter_or_digit(first) || is_digit(first))) return 0;
    while (end < text_.size()) {
      size_t next = 0;
      const uint32_t code = base::decode_utf8(text_, end, &next);
      if (code == ':') break;
      if (code != '_' && code != '.' && code != '-' && !is_letter_or_digit(code)) return 0;
      end = next;
    }
    if (end + 1 >= text_.size()) return 0;
    size_t next = 0;
    const uint32_t code = base::decode_utf8(text_, end + 1, &next);
    return code == '"' || code == '_' || is_letter_or_digit(code) ? end : 0;
  }

  bool read_body(size_t at, Atom* atom) const {
    if (at >= text_.size()) return false;
    if (text_[at] == '"') {
      const size_t close = text_.find('"', at + 1);
      if (close == std::string_view::npos) return false;
      atom->quoted = true;
      atom->body = text_.substr(at + 1, close - at - 1);
      atom->end = close + 1;
      return true;
    }
    size_t end = at;
    while (end < text_.size() && text_[end] != '"') {
      size_t next = 0;
      if (is_space(base::decode_utf8(text_, end, &next))) break;
      end = next;
    }
    atom->body = text_.substr(at, end - at);
    atom->end = end;
    return end > at;
  }

  std::string_view text_;
  size_t at_ = 0;
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  WordReader reader(text);
  for (Word word; reader.next(&word);) words.emplace_back(word.text);
  return words;
}

// A term given again counts again.
void count_repeated(std::vector<QueryTerm>* terms) {
  std::unordered_map<std::string, size_t> seen;
  std::vector<QueryTerm> result;
  for (QueryTerm& term : *terms) {
    std::string name = term.field + '\0' + term.prefix + '\0';
    for (const std::string& word : term.words) name += word + '\0';
    const auto [place, added] = seen.emplace(std::move(name), result.size());
    if (added) {
      result.push_back(std::move(term));
    } else {
      ++result[place->second].times;
    }
  }
  *terms = std::move(result);
}

void add_atom(const Atom& atom, TextQuery* query) {
  std::vector<std::string> words = words_of(atom.body);
  if (words.empty()) return;
  std::vector<QueryTerm>& terms = atom.minus ? query->never : atom.quoted ? query->phrases : query->any;
  QueryTerm term;
  term.field = atom.field;
  if (!atom.quoted && atom.body.ends_with('*')) {
    QueryTerm beginning = term;
    beginning.prefix = std::move(words.back());
    words.pop_back();
    terms.push_back(std::move(beginning));
  } else if (atom.quoted || atom.minus) {
    term.words = std::move(words);
    terms.push_back(std::move(term));
    return;
  }
  for (std::string& word : words) {
    term.words.clear();
    term.common = term.field.empty() && is_common_word(word);
    term.words.push_back(std::move(word));
    terms.push_back(term);
  }
}

}  // namespace

TextQuery parse_text_query(std::string_view text) {
  TextQuery query;
  AtomReader reader(text);
  for (Atom atom; reader.next(&atom);) add_atom(atom, &query);
  count_repeated(&query.any);
  count_repeated(&query.phrases);
  count_repeated(&query.never);
  return query;
}

}  // namespace strata::index
