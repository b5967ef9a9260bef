#include "model/iregexp.h"

#include <algorithm>

#include "base/check.h"
#include "model/unicode_category.h"
#include "model/utf8.h"

namespace strata::model {

// Recursive descent along the grammar of the RFC; what it reads becomes code at once. Jumps are relative, so code can
// be copied.
class IRegexpParser {
 public:
  using Op = IRegexp::Op;
  using Program = IRegexp::Program;
  using Class = IRegexp::Class;

  IRegexpParser(std::string_view pattern, IRegexp* made) : text_(pattern), made_(*made) {}

  void run() {
    if (!is_utf8(text_) || !alternatives(&made_.program_, 0) || at_ != text_.size()) {
      if (made_.problem_ == IRegexp::Problem::kNone) made_.problem_ = IRegexp::Problem::kMalformed;
    }
  }

 private:
  static constexpr int kMostNested = 100;
  static constexpr uint32_t kMostRepeats = IRegexp::kMaxProgram;

  bool too_large() {
    made_.problem_ = IRegexp::Problem::kTooLarge;
    return false;
  }
  bool at_end() const { return at_ == text_.size(); }
  char next() const { return at_end() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool append(const Program& code, Program* out) {
    if (out->size() + code.size() > IRegexp::kMaxProgram) return too_large();
    out->insert(out->end(), code.begin(), code.end());
    return true;
  }
  bool emit(Op op, size_t a, size_t b, Program* out) {
    return append({{op, static_cast<int32_t>(a), static_cast<int32_t>(b)}}, out);
  }
  // Back over `size` instructions.
  bool emit_back(size_t size, Program* out) { return append({{Op::kJump, -static_cast<int32_t>(size), 0}}, out); }

  bool alternatives(Program* out, int depth) {
    if (depth > kMostNested) return too_large();
    std::vector<Program> branches;
    do {
      if (!branch(&branches.emplace_back(), depth)) return false;
    } while (take('|'));
    size_t left = 0;
    for (const Program& code : branches) left += code.size() + 2;
    if (left > IRegexp::kMaxProgram + 2) return too_large();
    for (size_t i = 0; i < branches.size(); ++i) {
      left -= branches[i].size() + 2;
      const bool last = i + 1 == branches.size();
      if (!last && !emit(Op::kSplit, 1, branches[i].size() + 2, out)) return false;
      if (!append(branches[i], out)) return false;
      // Behind all that follow; the last of them has neither split nor jump.
      if (!last && !emit(Op::kJump, left - 1, 0, out)) return false;
    }
    return true;
  }

  bool branch(Program* out, int depth) {
    while (!at_end() && next() != '|' && next() != ')') {
      Program atom_code;
      if (!atom(&atom_code, depth) || !quantified(atom_code, out)) return false;
    }
    return true;
  }

  bool quantified(const Program& atom_code, Program* out) {
    if (take('?')) return repeat(atom_code, 0, 1, out);
    if (take('*')) return repeat(atom_code, 0, kMostRepeats + 1, out);
    if (take('+')) return repeat(atom_code, 1, kMostRepeats + 1, out);
    if (!take('{')) return append(atom_code, out);
    uint32_t least = 0;
    if (!count(&least)) return false;
    uint32_t most = least;
    if (take(',')) {
      most = kMostRepeats + 1;
      if (next() != '}' && (!count(&most) || most < least)) return false;
    }
    if (!take('}')) return false;
    if (least > kMostRepeats || (most > kMostRepeats && text_[at_ - 2] != ',')) return too_large();
    return repeat(atom_code, least, most, out);
  }

  bool count(uint32_t* number) {
    const size_t start = at_;
    *number = 0;
    for (; next() >= '0' && next() <= '9'; ++at_) {
      *number = std::min(*number * 10 + static_cast<uint32_t>(text_[at_] - '0'), kMostRepeats + 1);
    }
    return at_ > start;
  }

  // `most` above kMostRepeats: any number of times.
  bool repeat(const Program& atom_code, uint32_t least, uint32_t most, Program* out) {
    if (atom_code.empty()) return true;
    for (uint32_t i = 0; i < least; ++i) {
      if (!append(atom_code, out)) return false;
    }
    const size_t size = atom_code.size();
    if (most > kMostRepeats) {
      return emit(Op::kSplit, 1, size + 2, out) && append(atom_code, out) && emit_back(size + 1, out);
    }
    for (uint32_t i = least; i < most; ++i) {
      if (!emit(Op::kSplit, 1, (size + 1) * (most - i), out) || !append(atom_code, out)) return false;
    }
    return true;
  }

  bool atom(Program* out, int depth) {
    const char c = next();
    switch (c) {
      case '(':
        ++at_;
        return alternatives(out, depth + 1) && take(')');
      case '[':
        ++at_;
        return bracketed(out);
      case '\\':
        ++at_;
        if (next() == 'p' || next() == 'P') {
          Class made;
          return category(&made.categories) && emit_class(std::move(made), out);
        }
        uint32_t scalar;
        return escaped(&scalar) && emit(Op::kScalar, scalar, 0, out);
      case '.':
      case '^':
      case '$':
        ++at_;
        return emit(c == '.' ? Op::kAny : c == '^' ? Op::kBegin : Op::kEnd, 0, 0, out);
      case '*':
      case '+':
      case '?':
      case '{':
      case '}':
      case ']':
        return false;
      default:
        return emit(Op::kScalar, next_scalar(text_, &at_), 0, out);
    }
  }

  bool emit_class(Class made, Program* out) {
    made_.classes_.push_back(std::move(made));
    return emit(Op::kClass, made_.classes_.size() - 1, 0, out);
  }

  // REQUIRES: behind the backslash.
  bool escaped(uint32_t* scalar) {
    constexpr std::string_view kThemselves = "()*+-.?[\\]^{|}";
    const char c = next();
    if (at_end()) return false;
    ++at_;
    *scalar = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : static_cast<uint8_t>(c);
    return c == 'n' || c == 'r' || c == 't' || kThemselves.find(c) != std::string_view::npos;
  }

  // REQUIRES: at the p or P.
  bool category(uint32_t* categories) {
    const bool complement = text_[at_++] == 'P';
    if (!take('{')) return false;
    const size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) return false;
    const uint32_t named = categories_named(text_.substr(at_, end - at_));
    at_ = end + 1;
    *categories |= complement ? ~named : named;
    return named != 0;
  }

  // REQUIRES: behind the opening bracket.
  bool bracketed(Program* out) {
    Class made;
    made.negated = take('^');
    bool first = true;
    for (; !take(']'); first = false) {
      if (at_end()) return false;
      if (next() == '-') {  // itself, where it is the first or the last
        ++at_;
        if (!first && next() != ']') return false;
        made.ranges.emplace_back('-', '-');
        continue;
      }
      if (next() == '\\' && at_ + 1 < text_.size() && (text_[at_ + 1] == 'p' || text_[at_ + 1] == 'P')) {
        ++at_;
        if (!category(&made.categories)) return false;
        continue;
      }
      uint32_t low = 0;
      if (!class_scalar(&low)) return false;
      uint32_t high = low;
      const bool range = next() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (range && (!take('-') || !class_scalar(&high) || high < low)) return false;
      made.ranges.emplace_back(low, high);
    }
    return !first && emit_class(std::move(made), out);
  }

  bool class_scalar(uint32_t* scalar) {
    if (at_end() || next() == '[' || next() == ']' || next() == '-') return false;
    if (take('\\')) return escaped(scalar);
    *scalar = next_scalar(text_, &at_);
    return true;
  }

  const std::string_view text_;
  IRegexp& made_;
  size_t at_ = 0;
};

bool IRegexp::Class::holds(uint32_t scalar) const {
  bool found = categories != 0 && (categories >> unicode_category(scalar) & 1) != 0;
  for (size_t i = 0; i < ranges.size() && !found; ++i) found = ranges[i].first <= scalar && scalar <= ranges[i].second;
  return found != negated;
}

// The places in the program that some way has reached, before and behind one character.
class IRegexp::Run {
 public:
  Run(const IRegexp& regexp, std::string_view text, uint64_t* steps)
      : regexp_(regexp), text_(text), steps_(*steps), reached_(regexp.program_.size() + 1, 0) {
    spend(reached_.size() / 8);
  }

  Answer search(bool whole) {
    const size_t end = regexp_.program_.size();
    for (size_t at = 0;;) {
      ++turn_;
      next_.clear();
      if (at == 0 || !whole) follow(0, at);
      for (const size_t way : waiting_) follow(way, at);
      waiting_.clear();
      if (gave_up_) return Answer::kGaveUp;
      const bool done = reached_[end] == turn_;
      if (done && (!whole || at == text_.size())) return Answer::kYes;
      if (at == text_.size() || (whole && next_.empty())) return Answer::kNo;
      const uint32_t scalar = next_scalar(text_, &at);
      for (const size_t way : next_) {
        if (accepts(regexp_.program_[way], scalar)) waiting_.push_back(way + 1);
      }
    }
  }

 private:
  bool accepts(const Instruction& instruction, uint32_t scalar) {
    switch (instruction.op) {
      case Op::kScalar:
        return static_cast<uint32_t>(instruction.a) == scalar;
      case Op::kAny:
        return scalar != '\n' && scalar != '\r';
      default: {
        const Class& wanted = regexp_.classes_[static_cast<size_t>(instruction.a)];
        spend(wanted.ranges.size() / 4);
        return wanted.holds(scalar);
      }
    }
  }

  // Notes what can be reached from `way` without a character.
  void follow(size_t way, size_t at) {
    stack_.assign(1, way);
    while (!stack_.empty() && !gave_up_) {
      way = stack_.back();
      stack_.pop_back();
      if (reached_[way] == turn_) continue;
      reached_[way] = turn_;
      spend(1);
      if (way == regexp_.program_.size()) continue;
      const Instruction& instruction = regexp_.program_[way];
      switch (instruction.op) {
        case Op::kSplit:
          stack_.push_back(way + static_cast<size_t>(instruction.b));
          stack_.push_back(way + static_cast<size_t>(instruction.a));
          break;
        case Op::kJump:
          stack_.push_back(way + static_cast<size_t>(static_cast<int64_t>(instruction.a)));
          break;
        case Op::kBegin:
          if (at == 0) stack_.push_back(way + 1);
          break;
        case Op::kEnd:
          if (at == text_.size()) stack_.push_back(way + 1);
          break;
        default:
          next_.push_back(way);
      }
    }
  }

  void spend(uint64_t steps) {
    gave_up_ = gave_up_ || steps_ < steps;
    steps_ -= std::min(steps_, steps);
  }

  const IRegexp& regexp_;
  const std::string_view text_;
  uint64_t& steps_;
  std::vector<size_t> reached_;  // by place: the last turn in which a way was there
  size_t turn_ = 0;
  std::vector<size_t> next_;     // ways that wait for a character
  std::vector<size_t> waiting_;  // where they go on behind it
  std::vector<size_t> stack_;
  bool gave_up_ = false;
};

IRegexp::IRegexp(std::string_view pattern) { IRegexpParser(pattern, this).run(); }

IRegexp::Answer IRegexp::run(std::string_view text, bool whole, uint64_t* steps) const {
  STRATA_ASSERT(valid());
  return Run(*this, text, steps).search(whole);
}

}  // namespace strata::model
